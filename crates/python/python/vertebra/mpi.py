"""One training run on the cores of many machines, by MPI: `mpirun -n 4 python -m vertebra.mpi train DATA`.

Each process (rank) trains its shard of every batch. Gradients are summed in the order of ranks, so a run with the same
number of ranks repeats bit for bit. Needs mpi4py. Research use only, not a medical device.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from . import _tables, _vertebra
from ._train import train

if TYPE_CHECKING:
    import numpy
    from mpi4py import MPI

USAGE = """usage: mpirun -n RANKS python -m vertebra.mpi train DATA [--out DIR] [--OPTION [VALUE] ...]
       mpirun -n RANKS python -m vertebra.mpi train --resume --out DIR [NEW-PLACE]

Trains one model by several processes, each a shard of every batch. Options are those of `vertebra train`, which
explains them, but for --folds; --batch-size counts the images of all ranks, --threads those of each.
DATA is the same for every rank, and --config and --recipe are read by rank 0, which has the run folder.

Examples:
  mpirun -n 2 python -m vertebra.mpi train DATA --out runs/mine --threads 1
  mpirun -n 2 python -m vertebra.mpi train --resume --out runs/mine
  mpirun -n 2 python -m vertebra.mpi train --config runs/mine --out runs/again
  mpirun --host a,b --map-by node python -m vertebra.mpi train DATA --batch-size 64 --lr 1e-3

Research use only, not a medical device."""

# Settings that are texts, whatever they look like.
_TEXTS = {"out", "arch", "group_by", "labels", "positive", "init", "window", "config", "recipe"}

# What has another meaning for vertebra.train() than that of an option, and what to do instead.
_NO_OPTIONS = {
    "callback": "there is none",
    "data": "DATA has no name",
    "folds": "each fold is a run of its own; vertebra train --folds or vertebra.ray.train_many trains them",
    "ranks": "mpirun -n says how many there are",
}

# How long a rank that has failed or was stopped waits for the others, in seconds.
_PATIENCE = 30

# Up to so many numbers a rank are sent whole to every other.
_FEW = 1 << 10


class Ranks:
    """The processes of an MPI communicator, for `vertebra.train(..., ranks=Ranks())`.

    In a script of your own that they run, `mpirun -n 2 python -m mpi4py script.py` ends all of them where one ends by
    an exception outside of :func:`vertebra.train`, for which the others would wait.

    Attributes:
        rank: which of them this is, from 0.
        size: how many there are.
    """

    rank: int
    size: int

    def __init__(self, comm: Optional["MPI.Comm"] = None) -> None:
        from mpi4py import MPI

        self.comm = MPI.COMM_WORLD if comm is None else comm
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self._room: Any = None

    def sum(self, values: "numpy.ndarray") -> None:
        """Replaces a `float32` array by its sum over all ranks, added in their order: each adds up a part of it."""
        if len(values) <= _FEW:
            parts = self._parts(len(values))
            self.comm.Allgather(values, parts)
            values[:] = _added(parts)
            return
        each, more = divmod(len(values), self.size)
        counts = [each + (rank < more) for rank in range(self.size)]
        own = counts[self.rank]
        parts = self._parts(own)
        self.comm.Alltoallv([values, counts], [parts, [own] * self.size])
        self.comm.Allgatherv(_added(parts), [values, counts])

    def _parts(self, count: int) -> "numpy.ndarray":
        """Room for so many numbers of every rank, the same memory in every step."""
        import numpy

        if self._room is None or len(self._room) < self.size * count:
            self._room = numpy.empty(self.size * count, numpy.float32)
        return self._room[: self.size * count].reshape(self.size, count)

    def share(self, content: bytes) -> bytes:
        """What rank 0 gives, for all."""
        return self.comm.bcast(content, root=0)


def _added(parts: "numpy.ndarray") -> "numpy.ndarray":
    """The sum of the rows, in their order, in the place of the first."""
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def settings(words: Sequence[str]) -> Dict[str, Any]:
    """The settings that the words of a command line say.

    Raises:
        ValueError: a word that is none.
    """
    defaults = json.loads(_vertebra.defaults())
    found: Dict[str, Any] = {}
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            if "data" in found:
                raise ValueError(f"expected one DATA, found {found['data']} and {word}")
            found["data"] = word
            continue
        option, equals, value = word[2:].partition("=")
        name = {"cache": "cache_mib"}.get(option, option.replace("-", "_"))
        if name in _NO_OPTIONS:
            raise ValueError(f"--{option}: expected an option of this command, found none: {_NO_OPTIONS[name]}")
        by_default = defaults.get(name, defaults.get(name[3:]) if name.startswith("no_") else None)
        if name in ("resume", "json") or isinstance(by_default, bool):
            is_no = name not in defaults and name.startswith("no_")
            if value not in ("", "true", "false"):
                raise ValueError(f"{word}: expected true or false")
            found[name[3:] if is_no else name] = (value != "false") != is_no
        elif equals or words:
            found[name] = _value(name, value if equals else words.pop(0))
        else:
            raise ValueError(f"{word}: expected a value")
    return found


def _value(name: str, text: str) -> Any:
    if name not in _TEXTS:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
    return text


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _epoch(epoch: Dict[str, Any]) -> None:
    auroc = "" if epoch["val_auroc"] is None else f", AUROC {epoch['val_auroc']:.4f}"
    best = " (best)" if epoch["best"] else ""
    losses = f"loss {epoch['train_loss']:.4f}, validation loss {epoch['val_loss']:.4f}"
    _say(f"epoch {epoch['epoch']}: {losses}{auroc}{best}, {epoch['images_per_second']:.1f} images/s")


def _train(words: Sequence[str], ranks: Ranks) -> None:
    """Trains, and prints what came of it on rank 0."""
    said = settings(words)
    as_json = said.pop("json", False)
    run = train(**said, callback=_epoch, ranks=ranks)
    if run is None:
        return
    if as_json:
        print(json.dumps(run.document, indent=2))
        return
    print(run)
    print(f"run folder: {run.path}\nnext: vertebra predict {run.path} IMAGE\n{_tables.NOTICE}")


class _Signals:
    """SIGINT and SIGTERM: the first is a KeyboardInterrupt; one after it, or when all else is done, is remembered."""

    def __init__(self) -> None:
        self.status = 0
        self.ends = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._came)

    def _came(self, number: int, _: Any) -> None:
        self.status, is_first = 128 + number, self.status == 0
        if is_first and not self.ends:
            raise KeyboardInterrupt


def _end(ranks: Ranks, signals: _Signals, status: int, said: str) -> int:
    """Says how rank 0 ended and waits for the others, as long as rank 0 may have to do: the highest status of all.

    A rank that has failed or was stopped does not wait for long: it says what it knows, and ends the others.
    """
    import numpy
    from mpi4py import MPI

    if ranks.rank == 0 and said:
        _say(said)
    own, highest = numpy.array([status], "i"), numpy.zeros(1, "i")
    request = ranks.comm.Iallreduce(own, highest, MPI.MAX)
    since = None
    while not request.Test():
        status = status or signals.status
        if status and since is None:
            since = time.monotonic()
        if since is not None and time.monotonic() - since > _PATIENCE:
            if ranks.rank > 0 and said:
                _say(f"rank {ranks.rank}: {said}")
            ranks.comm.Abort(status)
        time.sleep(0.01)
    return int(highest[0])


def main(words: List[str]) -> int:
    """The command line; its status."""
    if words[:1] != ["train"] or {"-h", "--help"} & set(words):
        is_asked = bool({"-h", "--help"} & set(words))
        print(USAGE, file=sys.stdout if is_asked else sys.stderr)
        return 0 if is_asked else 2
    ranks, signals = Ranks(), _Signals()
    # What rank 0 says, the others have to say too.
    warnings.showwarning = lambda message, *_: None if ranks.rank else _say(f"warning: {message}")
    status, said = 1, ""
    try:
        _train(words[1:], ranks)
        status = 0
    except KeyboardInterrupt as stopped:
        status, said = signals.status or 130, f"stopped; {stopped}"
    except (_vertebra.Error, ValueError, OSError) as error:
        status, said = 2 if isinstance(error, ValueError) else 1, f"error: {error}"
    except BaseException:
        # The others may wait for this one for ever.
        traceback.print_exc()
        ranks.comm.Abort(status)
    signals.ends = True
    return _end(ranks, signals, status, said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
