"""Two models on the same images."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Union

from . import _tables, _vertebra
from ._model import Model, Path
from ._results import Document


class Comparison(Document):
    """Two models on the same images, by paired tests. Research use only, not a medical device.

    Attributes:
        document: all figures, under the names of ``compare --json``; pairs are the first model's value and the
            second's.
        notes: what was assumed, and what is to be known.
    """

    notes: List[str]

    def __init__(self, document: Dict[str, Any], notes: List[str]) -> None:
        super().__init__(document)
        self.notes = notes

    @property
    def auroc(self) -> Any:
        """A row a class or finding: AUROC of both, difference, interval and p-value (DeLong, paired); a pandas data
        frame where pandas is installed."""
        return _tables.frame(self.document["auroc"])

    def __repr__(self) -> str:
        aurocs = [f"{of['class']} {of['auroc'][0]:.3f} and {of['auroc'][1]:.3f}" for of in self.document["auroc"][:3]]
        said = f"AUROC of {', '.join(aurocs)}" if aurocs else "AUROC not defined"
        return f"<Comparison on {self.document['images']} images ({self.document['split']}): {said}. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        rows = [
            {
                "AUROC of": of["class"],
                "A": of["auroc"][0],
                "B": of["auroc"][1],
                "A - B": _tables.figure(of["difference"], of["interval"], "+.3f"),
                "p (DeLong, paired)": of["p_value"],
            }
            for of in self.document["auroc"]
        ]
        first, second = (_tables.html.escape(name) for name in self.document["models"])
        table = _tables.table(rows) + self._accuracy()
        return f"<p>A: {first}<br>B: {second}</p>{table}<p>{_tables.NOTICE}</p>"

    def _accuracy(self) -> str:
        test = self.document["mcnemar"]
        if test is None:
            return ""
        both = zip(self.document["accuracy"], self.document["accuracy_ci"])
        first, second = (_tables.figure(value, interval) for value, interval in both)
        return f"<p>Accuracy: A {first}, B {second}; p = {test['p_value']:.3f} (McNemar, exact)</p>"


def compare(
    first: Union[Model, Path],
    second: Union[Model, Path],
    data: Path,
    *,
    split: str = "test",
    group_by: Optional[str] = None,
    positive: Optional[str] = None,
    skip_unreadable: bool = False,
    max_unreadable: Optional[float] = None,
) -> Comparison:
    """Compares two models on the same labelled images, as ``vertebra compare`` does: AUROCs by DeLong's paired test,
    decisions, each by the threshold in its model's file, by McNemar's exact test, by group where groups are known. A
    look at a test split by a run folder is counted there.

    Args:
        first: a model, a model file or a run folder; it works on the threads of this one.
        second: another one, for the same classes or findings.
        data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest; without splits it is divided
            as the training of the first model divided it.
        split: ``train``, ``val``, ``test`` or ``all``.
        group_by: what is not independent: a column, or a pattern of the file name such as ``person*_``.
        positive: the positive class, if it is not the first model's (two classes).
        skip_unreadable: whether images that cannot be read are left out, up to the share ``max_unreadable``
            (that of the command line, if not said).

    Raises:
        Unreadable: an image cannot be read.
        Error: the models do not answer the same question, or the data cannot be read.
        ValueError: an argument cannot be.
    """
    models = [model if isinstance(model, Model) else Model.load(model) for model in (first, second)]
    document, notes = _vertebra.compare(
        models[0]._core,
        models[1]._core,
        os.fspath(data),
        split,
        group_by,
        positive,
        skip_unreadable,
        max_unreadable,
    )
    return Comparison(json.loads(document), _tables.warn(notes))
