"""One training run on the cores of many machines, by MPI: `mpirun -n 4 python -m vertebra.mpi train DATA --out runs/mine`.

Each process (rank) trains its shard of every batch. Gradients are summed in the order of ranks, so a run with the same number of
ranks repeats bit for bit. Needs mpi4py. Research use only, not a medical device.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from . import _tables, _vertebra
from ._train import train

if TYPE_CHECKING:
    from mpi4py import MPI

USAGE = """usage: mpirun -n RANKS python -m vertebra.mpi train [DATA] [--out DIR] [--resume] [--OPTION [VALUE] ...]

Trains one model by several processes, each a shard of every batch. Options are those of `vertebra train`, which explains
them; --batch-size counts the images of all ranks, --threads those of each. DATA must be the same for every rank; rank 0 has
the run folder.

Examples:
  mpirun -n 2 python -m vertebra.mpi train DATA --out runs/mine --threads 1
  mpirun -n 2 python -m vertebra.mpi train --resume --out runs/mine
  mpirun --host a,b --map-by node python -m vertebra.mpi train DATA --batch-size 64 --lr 1e-3

Research use only, not a medical device."""

# Settings that are texts, whatever they look like.
_TEXTS = {"data", "out", "arch", "group_by", "labels", "positive", "init", "window"}

# How long a rank that was stopped waits for the others, in seconds.
_PATIENCE = 30


class Ranks:
    """The processes of an MPI communicator, for `vertebra.train(..., ranks=Ranks())`.

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

    def sum(self, values: Any) -> None:
        """Replaces a `float32` array by its sum over all ranks, added in the order of ranks: each rank adds up a part of it."""
        import numpy

        each, more = divmod(len(values), self.size)
        counts = [each + (rank < more) for rank in range(self.size)]
        parts = numpy.empty((self.size, counts[self.rank]), numpy.float32)
        self.comm.Alltoallv([values, counts], [parts, [counts[self.rank]] * self.size])
        own = parts[0]
        for part in parts[1:]:
            own += part
        self.comm.Allgatherv(own, [values, counts])

    def share(self, content: bytes) -> bytes:
        """What rank 0 gives, for all."""
        return self.comm.bcast(content, root=0)


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
    _say(
        f"epoch {epoch['epoch']}: loss {epoch['train_loss']:.4f}, validation loss {epoch['val_loss']:.4f}{auroc}{best}, "
        f"{epoch['images_per_second']:.1f} images/s"
    )


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


def _end(ranks: Ranks, status: int) -> int:
    """Waits for the others, which end too; ends them, where one does not."""
    request = ranks.comm.Ibarrier()
    began = time.monotonic()
    while not request.Test():
        if time.monotonic() - began > _PATIENCE:
            ranks.comm.Abort(status or 1)
        time.sleep(0.01)
    return status


def main(words: List[str]) -> int:
    """The command line; its status."""
    if words[:1] != ["train"] or {"-h", "--help"} & set(words):
        is_asked = bool({"-h", "--help"} & set(words))
        print(USAGE, file=sys.stdout if is_asked else sys.stderr)
        return 0 if is_asked else 2
    ranks, status = Ranks(), 130
    warnings.showwarning = lambda message, *_: _say(f"warning: {message}")

    def terminate(*_: Any) -> None:
        nonlocal status
        status = 143
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        _train(words[1:], ranks)
        return _end(ranks, 0)
    except KeyboardInterrupt as stopped:
        if ranks.rank == 0:
            _say(f"stopped; {stopped}")
        return _end(ranks, status)
    except (_vertebra.Error, ValueError, OSError) as error:
        _say(f"error: rank {ranks.rank}: {error}")
        status = 2 if isinstance(error, ValueError) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    # The others may wait for this one for ever.
    ranks.comm.Abort(status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
