"""What a model says: predictions, and an evaluation of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from . import _tables

if TYPE_CHECKING:
    import numpy
    import pandas

    from ._vertebra import Shown


class Predictions:
    """What a model says of images. Research use only, not a medical device.

    Attributes:
        paths: the name of each image: its path, or ``image N`` of one that had none.
        classes: the names of the classes, or of the findings.
        probabilities: float64 array ``[images, classes]``; NaN where there is no answer.
        labels: the class that is called for each image, None where there is no answer. With two classes it is called by
            the model's threshold, with more it is the most probable. Of a model of findings, the most probable finding.
        decisions: with two classes ``"positive"`` or ``"negative"``, by the model's threshold; with more classes None;
            of a model of findings ``"positive"`` where any is called.
        called: bool array ``[images, findings]``: the findings that are called, each by its own threshold;
            ``[images, 0]`` for a model of classes.
        errors: why there is no answer, else None.
        notes: what was assumed when files were read, or passed over in folders.
    """

    paths: List[str]
    classes: List[str]
    probabilities: "numpy.ndarray"
    labels: List[Optional[str]]
    decisions: List[Optional[str]]
    called: "numpy.ndarray"
    errors: List[Optional[str]]
    notes: List[str]

    def __init__(self, classes: List[str], has_findings: bool, answer: Tuple[Any, ...]) -> None:
        paths, probabilities, labels, positive, called, errors, notes = answer
        words = {True: "positive", False: "negative", None: None}
        self.paths = [str(path) for path in paths]
        self.classes = classes
        self.probabilities = probabilities
        self.labels = [classes[at] if at >= 0 else None for at in labels]
        self.decisions = [words[is_positive] for is_positive in positive]
        self.called = called
        self.errors = errors
        self.notes = notes
        self._has_findings = has_findings

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows())

    def rows(self) -> List[Dict[str, Any]]:
        """A dict an image, with the columns of ``predict --format csv`` but for ``larger``, probabilities in full."""
        rows = []
        for at, path in enumerate(self.paths):
            row: Dict[str, Any] = {"path": path}
            found = [None if p != p else float(p) for p in self.probabilities[at]]
            if self._has_findings:
                for name, probability, called in zip(self.classes, found, self.called[at]):
                    row[f"p_{name}"] = probability
                    row[f"called_{name}"] = None if probability is None else bool(called)
                row["error"] = self.errors[at]
            else:
                label = self.labels[at]
                row["label"] = label
                row["probability"] = None if label is None else found[self.classes.index(label)]
                row.update((f"p_{name}", probability) for name, probability in zip(self.classes, found))
                row["error"] = self.errors[at]
                if len(self.classes) == 2:
                    row["decision"] = self.decisions[at]
            rows.append(row)
        return rows

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a pandas data frame.

        Raises:
            ImportError: where pandas is not installed; :meth:`rows` needs nothing.
        """
        return _tables.pandas_frame(self.rows())

    def __repr__(self) -> str:
        failed = sum(error is not None for error in self.errors)
        return f"<Predictions of {len(self)} images, {failed} without an answer. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        return _tables.table(self.rows()) + f"<p>{_tables.NOTICE}</p>"


class Document:
    """What was found, by name: ``document["auroc"]``. Research use only, not a medical device.

    Attributes:
        document: everything, under the names that the command line has it with ``--json``.
    """

    document: Dict[str, Any]

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document

    def __getitem__(self, name: str) -> Any:
        return self.document[name]


class Evaluation(Document):
    """A model on labelled images, with an interval for every figure. Research use only, not a medical device.

    Attributes:
        document: all figures, under the names of ``evaluate --json``; ``evaluation["auroc"]`` is one of them.
        paths: the name of each image in the data set.
        truth: the true class of each image; of a model of findings a float array ``[images, findings]`` of 1, 0 and NaN
            (not known).
        probabilities: float64 array ``[images, classes]``.
        notes: what was assumed, and what is to be known.
    """

    paths: List[str]
    truth: Any
    probabilities: "numpy.ndarray"
    notes: List[str]

    def __init__(
        self, classes: List[str], document: Dict[str, Any], shown: "Shown", notes: List[str], images: Tuple[Any, ...]
    ):
        super().__init__(document)
        self.classes = classes
        self.notes = notes
        paths, labels, truth, probabilities = images
        self.paths = paths
        self.truth = truth if truth.shape[1] else labels
        self.probabilities = probabilities
        self._shown, self._html = shown, ""

    def to_html(self) -> str:
        """The report as one HTML page, without the pictures of the worst errors."""
        self._html = self._html or self._shown.html()
        return self._html

    def __getstate__(self) -> Dict[str, Any]:
        # A page is what goes to another process.
        return {**self.__dict__, "_html": self.to_html(), "_shown": None}

    def to_pandas(self) -> "pandas.DataFrame":
        """A row an image: path, truth, probabilities.

        Raises:
            ImportError: where pandas is not installed.
        """
        rows = []
        for at, path in enumerate(self.paths):
            row: Dict[str, Any] = {"path": path}
            if isinstance(self.truth, list):
                row["label"] = self.truth[at]
            else:
                row.update(zip(self.classes, self.truth[at].tolist()))
            row.update((f"p_{name}", p) for name, p in zip(self.classes, self.probabilities[at].tolist()))
            rows.append(row)
        return _tables.pandas_frame(rows)

    def __repr__(self) -> str:
        figures = []
        for name in ("auroc", "sensitivity", "specificity", "accuracy"):
            value = self.document.get(name)
            if value is not None:
                figures.append(f"{name} {_tables.figure(value, self.document.get(f'{name}_ci'))}")
        split, images = self.document.get("split"), self.document.get("images")
        return f"<Evaluation of {images} images ({split}): {', '.join(figures)}. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        return _tables.page(self.to_html())
