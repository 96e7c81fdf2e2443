"""Data sets: what is wrong with them, and their division."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from typing import Any, Dict, List, Optional, Sequence, Union

from . import _tables, _vertebra
from ._model import Path, _free
from ._results import Document


class Audit(Document):
    """What is wrong with a data set.

    Tables are pandas data frames where pandas is installed, else lists of dicts.

    Attributes:
        document: everything, under the names of ``audit --json``; ``audit["leaks"]`` is one of them.
        notes: what was assumed when the data were read.
    """

    notes: List[str]

    def __init__(self, document: Dict[str, Any], notes: List[str]) -> None:
        super().__init__(document)
        self.notes = notes

    @property
    def leaks(self) -> bool:
        """Whether the given split leaks: then a score on it cannot be believed."""
        return self.document["leaks"]

    @property
    def verdict(self) -> List[str]:
        """The conclusion, sentence by sentence."""
        return self.document["verdict"]

    @property
    def findings(self) -> Any:
        """Everything that a person should know, the worst first: severity, kind, message."""
        return _tables.frame(self.document["findings"])

    @property
    def parts(self) -> Any:
        """The set and its splits: images, sources and groups."""
        return _tables.frame(self.document["parts"])

    @property
    def shortcuts(self) -> Any:
        """What is not anatomy and tells the class, the most telling first."""
        return _tables.frame(self.document["shortcuts"])

    @property
    def baselines(self) -> Any:
        """What classifiers score that understand nothing."""
        return _tables.frame(self.document["baselines"])

    @property
    def unreadable(self) -> Any:
        """Files that cannot be read: path, reason."""
        return _tables.frame(self.document["unreadable"])

    def to_pandas(self) -> Any:
        """The findings as a pandas data frame.

        Raises:
            ImportError: where pandas is not installed.
        """
        return _tables.pandas_frame(self.document["findings"])

    def __repr__(self) -> str:
        # What a split is worth is more than whether it surely leaks.
        images, findings = self.document["images"], len(self.document["findings"])
        return f"<Audit of {images} images, {findings} findings: {self.verdict[-1]}>"

    def _repr_html_(self) -> str:
        verdict = "".join(f"<p>{html.escape(line)}</p>" for line in self.verdict)
        return verdict + _tables.table(self.document["findings"]) + _tables.table(self.document["parts"])


def audit(
    data: Path,
    *,
    group_by: Optional[str] = None,
    positive: Optional[str] = None,
    labels: Union[str, Sequence[str], None] = None,
    uncertain: str = "ignore",
    readers: str = "majority",
) -> Audit:
    """Looks for what would make a score on a data set worthless: unreadable files, copies, leaks between splits,
    shortcuts, trivial baselines. Every image is read once.

    Args:
        data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest.
        group_by: what belongs together: a column, a pattern of the file name such as ``person*_``, or ``PatientID`` or
            ``StudyInstanceUID`` of DICOM files.
        positive: the positive class of two.
        labels: of several findings an image: ``"all"``, or their names.
        uncertain: what -1 counts as then: ``ignore``, ``positive`` or ``negative``.
        readers: where several readers judged an image, who decides: ``majority`` or ``any``.

    Raises:
        Error: the data cannot be read.
        ValueError: an argument cannot be.
    """
    document, notes = _vertebra.audit(os.fspath(data), group_by, positive, _names(labels), uncertain, readers)
    return Audit(json.loads(document), notes)


def split(
    data: Path,
    by: str = "group",
    *,
    fractions: Optional[Sequence[float]] = None,
    folds: Union[int, str, None] = None,
    labels: Union[str, Sequence[str], None] = None,
    uncertain: str = "ignore",
    readers: str = "majority",
    seed: int = 0,
    out: Optional[Path] = None,
    overwrite: bool = False,
) -> Any:
    """Divides a data set by group; no group is divided, and the classes are about as alike in all parts as groups allow.

    Args:
        data: a folder or CSV manifest; the splits that it has are not used.
        by: what belongs together: a column, or a pattern of the file name such as ``person*_``.
        fractions: shares of train, val and test; ``(0.8, 0.1, 0.1)`` if not given.
        folds: a number of folds, or ``"leave-one-group-out"``: a column ``fold`` in place of ``split``.
        labels: of several findings an image: ``"all"``, or their names.
        uncertain: what -1 counts as then, in the division and in the rows: ``ignore`` (it is -1), ``positive`` or
            ``negative``. In the file ``out`` it stays -1, for the training to decide.
        readers: as for :func:`audit`.
        seed: the split follows from it and from the groups.
        out: a manifest to write, as ``vertebra split --out`` does.
        overwrite: whether it may be replaced.

    Returns:
        A row an image: path, label (or a column a finding: True, False, -1 where nobody was sure, None), split or fold, group, and the columns that the data had; a
        pandas data frame where pandas is installed, else a list of dicts.

    Raises:
        FileExistsError: ``out`` is there, and ``overwrite`` is not said.
        Error: the data cannot be read or divided.
        ValueError: an argument cannot be, or ``out`` is a file of the data.
    """
    if fractions is not None and folds is not None:
        raise ValueError("fractions: expected none beside folds")
    rows, _ = _vertebra.split(
        os.fspath(data),
        by,
        None if fractions is None else _three(fractions),
        None if folds is None else str(folds),
        _names(labels),
        uncertain,
        readers,
        seed,
        None if out is None else _free(out, overwrite),
    )
    found = json.loads(rows)
    columns: List[str] = found["columns"]
    order = list(columns)
    if folds is not None:
        # Where the split would be.
        order.remove("fold")
        order.insert(order.index("group"), "fold")
    named = (dict(zip(columns, row)) for row in found["rows"])
    return _tables.frame([{name: row[name] for name in order} for row in named])


def _names(labels: Union[str, Sequence[str], None]) -> Optional[str]:
    if labels is None or isinstance(labels, str):
        return labels
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(labels)
    return line.getvalue()


def _three(fractions: Sequence[float]) -> List[float]:
    shares = [float(share) for share in fractions]
    if len(shares) != 3:
        raise ValueError(f"fractions: expected three numbers above 0, found {shares}")
    return shares
