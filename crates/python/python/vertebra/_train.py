"""A training run."""

from __future__ import annotations

import json
import math
import os
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, Literal, Optional, Protocol, Union, overload

from . import _tables, _vertebra
from ._model import Model, Path
from ._results import Document

if TYPE_CHECKING:
    import numpy


class Ranks(Protocol):
    """Processes that train one run together, as one of them sees them; any engine that can add and broadcast will do.

    All ranks make the same calls in the same order, of few numbers or many. For the same settings, data and instruction
    set, the bits of a run depend on how many ranks there are and on the order in which they are added, and not on how
    the work of each is divided among its threads. A rank that fails tells the others in the next call, so that all of
    them raise; an exception that `sum` or `share` raise is one of this rank alone.

    Attributes:
        rank: which of them this is, from 0; rank 0 has the run folder, validates and saves.
        size: how many there are.
    """

    rank: int
    size: int

    def sum(self, values: "numpy.ndarray") -> None:
        """Replaces an array `[n]` of `float32` by its sum over all ranks, the same bits on each. The array is used
        again when this has returned."""

    def share(self, content: bytes) -> bytes:
        """What rank 0 gives; the others give nothing."""


class Run(Document):
    """A training run that is finished. Research use only, not a medical device.

    Attributes:
        path: its folder, with config.toml, best.safetensors, report.html and the other files of ``vertebra train``.
        document: the result, under the names of ``train --json``; ``run["result"]["auroc"]`` is a figure of it.
    """

    path: str

    def __init__(self, document: Dict[str, Any]) -> None:
        super().__init__(document)
        self.path = document["run"]

    def model(self, **options: Any) -> Model:
        """The best model; options as for :meth:`Model.load`."""
        return Model.load(self.path, **options)

    def __repr__(self) -> str:
        result = self.document["result"]
        auroc = "" if result.get("auroc") is None else f", AUROC {result['auroc']:.3f}"
        return f"<Run in {self.path}: {result['images']} images ({result['split']}){auroc}. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        with open(os.path.join(self.path, "report.html"), encoding="utf-8") as file:
            return _tables.page(file.read())


class CrossValidation(Document):
    """A run for every fold, and one result over all images, each predicted by a model that saw nothing of its group.
    Research use only, not a medical device.

    Attributes:
        path: its folder, in which fold N is the run ``fold-N``.
        document: the result, under the names of ``train --folds --json``; ``["pooled"]["auroc"]`` is a figure of it.
    """

    path: str

    def __init__(self, path: str, document: Dict[str, Any]) -> None:
        super().__init__(document)
        self.path = path

    @property
    def folds(self) -> Any:
        """A row a fold: run, groups, images, accuracy, AUROC; a pandas data frame where pandas is installed."""
        return _tables.frame(self.document["folds"])

    def __repr__(self) -> str:
        pooled, folds = self.document["pooled"], len(self.document["folds"])
        auroc = "" if pooled.get("auroc") is None else f", AUROC {pooled['auroc']:.3f}"
        return f"<CrossValidation in {self.path}: {pooled['images']} images, {folds} folds{auroc}. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        with open(os.path.join(self.path, "report.html"), encoding="utf-8") as file:
            return _tables.page(file.read())


_Observer = Optional[Callable[[Dict[str, Any]], Any]]


@overload
def train(
    data: Optional[Path] = None,
    *,
    folds: Union[int, str],
    out: Optional[Path] = None,
    resume: bool = False,
    callback: _Observer = None,
    ranks: None = None,
    config: Optional[Path] = None,
    recipe: Optional[str] = None,
    **options: Any,
) -> CrossValidation: ...
@overload
def train(
    data: Optional[Path] = None,
    *,
    ranks: Ranks,
    out: Optional[Path] = None,
    resume: bool = False,
    callback: _Observer = None,
    folds: None = None,
    config: Optional[Path] = None,
    recipe: Optional[str] = None,
    **options: Any,
) -> Optional[Run]: ...
@overload
def train(
    data: Optional[Path] = None,
    *,
    out: Optional[Path] = None,
    resume: Literal[False] = False,
    callback: _Observer = None,
    folds: None = None,
    ranks: None = None,
    config: Optional[Path] = None,
    recipe: Optional[str] = None,
    **options: Any,
) -> Run: ...
@overload
def train(
    data: Optional[Path] = None,
    *,
    resume: bool,
    out: Optional[Path] = None,
    callback: _Observer = None,
    folds: None = None,
    ranks: None = None,
    config: Optional[Path] = None,
    recipe: Optional[str] = None,
    **options: Any,
) -> Union[Run, CrossValidation]: ...
def train(
    data: Optional[Path] = None,
    *,
    out: Optional[Path] = None,
    resume: bool = False,
    callback: _Observer = None,
    folds: Union[int, str, None] = None,
    ranks: Optional[Ranks] = None,
    config: Optional[Path] = None,
    recipe: Optional[str] = None,
    **options: Any,
) -> Union[Run, CrossValidation, None]:
    """Trains a classifier and evaluates it on the test split, as ``vertebra train`` does: the same bits for the same
    settings.

    Args:
        data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest; not needed with ``resume``.
        out: the run folder; ``runs/NAME``, a new one, if not given.
        resume: whether to go on with the run in ``out``, exactly where it stopped.
        callback: called after every epoch with a dict: epoch, train_loss, val_loss, val_accuracy, val_auroc, lr,
            seconds, images_per_second, best. Training goes on meanwhile. An exception that it raises stops the run,
            with all saved.
        folds: a number of folds, or ``"leave-one-group-out"``: cross-validates by group, a run for every fold; splits that
            the data have are not used. Epochs of the callback have the number of their fold, ``fold``, too.
        ranks: the processes that train this run together, each a shard of every batch: see :class:`Ranks`.
            :class:`vertebra.mpi.Ranks` are those of MPI. All of them make this call. If one fails, all raise.
        config: settings to begin with: a ``config.toml`` that a run has written, its folder, or a file with some of its
            keys. Options win over it.
        recipe: the name of settings over which options win: ``"described"``, as ``vertebra train --help`` explains.
        options: the settings of ``config.toml``, which are the options of ``vertebra train`` with underscores:
            image_size, arch, width, epochs, batch_size, lr, seed, group_by, init, freeze, threads and so on. Of what the
            command line turns off the name is that of what is on: ``augment=False``, ``shuffle=False``; and
            ``--cache`` is ``cache_mib``.

    Returns:
        The run; ``train(...).model()`` predicts. With ``folds`` the cross-validation. Of several ranks only rank 0 has
        it, and the others have None.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the step is done and everything is saved; ``resume=True`` goes on.
        Unreadable: an image cannot be read.
        Error: the data, the run folder or the training are not as they must be, or another rank has failed.
        ValueError: a setting that there is not, or a value that it cannot have.
    """
    settings = settings_of(data, out, {**options, "config": config, "recipe": recipe})
    if out is None and resume:
        raise ValueError("resume: expected out, the folder of the run, found none")
    fold: Dict[str, int] = {}

    def hear(text: str) -> None:
        said = json.loads(text)
        if "warning" in said:
            warnings.warn(said["warning"], stacklevel=3)
        elif callback is not None:
            callback({**said, **fold})

    if folds is not None or resume and _vertebra.is_cross_validation(settings["out"]):
        if ranks is not None:
            raise ValueError("ranks: expected none beside folds, each of which is a run of its own")
        begun = Folds(settings, folds, resume)
        for number in range(1, begun.count + 1):
            fold["fold"] = number
            begun.took(_vertebra.train_fold(begun.settings, number, 0, hear))
        return begun.finish()
    document = json.loads(_vertebra.train(json.dumps(settings), resume, hear, ranks))
    if document.get("interrupted"):
        raise KeyboardInterrupt("another rank was stopped, and all with it; all is saved, and resume=True goes on")
    return Run(document) if "run" in document else None


def settings_of(data: Optional[Path], out: Optional[Path], options: Dict[str, Any]) -> Dict[str, Any]:
    """Settings as JSON can hold them."""
    settings = {name: _plain(name, value) for name, value in options.items()}
    settings.update({name: os.fspath(path) for name, path in (("data", data), ("out", out)) if path is not None})
    return settings


class Folds:
    """A cross-validation on its way. The folder is locked as long as this lives."""

    def __init__(self, settings: Dict[str, Any], folds: Union[int, str, None], resume: bool) -> None:
        self._begun = _vertebra.Folds(json.dumps(settings), None if folds is None else str(folds), resume)
        self.count, self.settings, self._init = self._begun.count, self._begun.settings(), None

    def took(self, init: str) -> None:
        """Takes what became of the classifier of ``init`` in a fold."""
        self._init = json.loads(init) or self._init

    def finish(self) -> CrossValidation:
        """The result, when all folds are finished."""
        document, notes = self._begun.finish()
        _tables.warn(notes, level=4)
        return CrossValidation(json.loads(self.settings)["out"], {**json.loads(document), "init": self._init})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, found {value}")
    return value
