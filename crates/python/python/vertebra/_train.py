"""A training run."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any, Callable, Dict, Optional

from . import _tables, _vertebra
from ._model import Model, Path


class Run:
    """A training run that is finished. Research use only, not a medical device.

    Attributes:
        path: its folder, with config.toml, best.safetensors, report.html and the other files of ``vertebra train``.
        document: the result, under the names of ``train --json``; ``run["result"]["auroc"]`` is a figure of it.
    """

    path: str
    document: Dict[str, Any]

    def __init__(self, document: Dict[str, Any]) -> None:
        self.path, self.document = document["run"], document

    def __getitem__(self, name: str) -> Any:
        return self.document[name]

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


def train(
    data: Optional[Path] = None,
    *,
    out: Optional[Path] = None,
    resume: bool = False,
    callback: Optional[Callable[[Dict[str, Any]], Any]] = None,
    **options: Any,
) -> Run:
    """Trains a classifier and evaluates it on the test split, as ``vertebra train`` does: the same bits for the same settings.

    Args:
        data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest; not needed with ``resume``.
        out: the run folder; ``runs/NAME``, a new one, if not given.
        resume: whether to go on with the run in ``out``, exactly where it stopped.
        callback: called after every epoch with a dict: epoch, train_loss, val_loss, val_accuracy, val_auroc, lr, seconds,
            images_per_second, best. Training goes on meanwhile. An exception that it raises stops the run, with all saved.
        options: the settings of ``config.toml``, which are the options of ``vertebra train`` with underscores: image_size, arch,
            width, epochs, batch_size, lr, seed, group_by, init, freeze, augment, threads and so on.

    Returns:
        The run; ``train(...).model()`` predicts.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the step is done and everything is saved; ``resume=True`` goes on.
        Unreadable: an image cannot be read.
        Error: the data, the run folder or the training are not as they must be.
        ValueError: a setting that there is not, or a value that it cannot have.
    """
    settings: Dict[str, Any] = {name: _plain(value) for name, value in options.items()}
    if data is not None:
        settings["data"] = os.fspath(data)
    if out is not None:
        settings["out"] = os.fspath(out)
    elif resume:
        raise ValueError("resume: expected out, the folder of the run, found none")

    def hear(text: str) -> None:
        said = json.loads(text)
        if "warning" in said:
            warnings.warn(said["warning"], stacklevel=3)
        elif callback is not None:
            callback(said)

    document = json.loads(_vertebra.train(json.dumps(settings), resume, hear))
    return Run(document)


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else value
