"""A batch of a table in, a batch with answers out: what engines for many machines call."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Dict, List, Tuple, Union

from ._images import Given
from ._model import Model, Path
from ._results import Predictions

if TYPE_CHECKING:
    import pyarrow

# How an address begins. That of a local file may have one slash (Spark's has), and one letter is a drive of Windows.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

# The models of this process, by what they are made of: each is loaded once.
_loaded: Dict[Tuple[bytes, int], Model] = {}


def read_model(model: Union[Path, bytes]) -> bytes:
    """The bytes of a model file, which go to every worker; an error here where they are no model."""
    if isinstance(model, bytes):
        content = model
    else:
        path = os.path.join(model, "best.safetensors") if os.path.isdir(model) else model
        Model.load(path, threads=1)  # For an error with the name of the file.
        with open(path, "rb") as file:
            content = file.read()
    Model.load(content, threads=1)
    return content


def answers(model: Model, given: List[Given]) -> List[Dict[str, Any]]:
    """A row for each image that was given, whatever it is; without its path."""
    rows = Predictions(model.classes, model.has_findings, model._core.predict(given, False, False)).rows()
    return [{name: value for name, value in row.items() if name != "path"} for row in rows]


def columns(model: Model) -> List[Tuple[str, str]]:
    """The columns of answers, each with its type: string, double or boolean."""
    types = {"label": "string", "decision": "string", "error": "string"}
    [row] = answers(model, [("wrong", "", "")])
    return [(name, types.get(name, "boolean" if name.startswith("called_") else "double")) for name in row]


def image_column(names: List[str]) -> str:
    """Which column has the images, if nobody says it."""
    for name in ("bytes", "content", "path"):
        if name in names:
            return name
    raise ValueError(f"column: expected one of bytes, content or path, found {', '.join(names)}")


def answer(batch: "pyarrow.Table", content: bytes, column: str, threads: int) -> "pyarrow.Table":
    """The batch without what is bytes, and with the columns of answers: a row for each of its rows."""
    import pyarrow

    key = (hashlib.sha256(content).digest(), threads)
    if key not in _loaded:
        _loaded[key] = Model.load(content, threads=threads)
    model = _loaded[key]
    given = [_given(value, at) for at, value in enumerate(batch.column(column).to_pylist())]
    found = answers(model, given)
    is_bytes = lambda kind: pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)  # noqa: E731
    out = batch.select([field.name for field in batch.schema if not is_bytes(field.type)])
    types = {"string": pyarrow.string(), "double": pyarrow.float64(), "boolean": pyarrow.bool_()}
    for name, kind in columns(model):
        if name in out.column_names:
            raise ValueError(f"expected no column {name}, which answers have, found one")
        out = out.append_column(name, pyarrow.array([row[name] for row in found], type=types[kind]))
    return out


def _given(value: Any, at: int) -> Given:
    """An image of a table: the content of a file, a path, or an address such as s3://bucket/image.dcm."""
    if isinstance(value, bytes):
        return ("bytes", f"row {at}", value)
    if not isinstance(value, str):
        found = "none" if value is None else type(value).__name__
        return ("wrong", f"row {at}", f"expected a path or bytes, found {found}")
    if not _ADDRESS.match(value):
        return ("path", value, None)
    try:
        from pyarrow import fs

        files, path = fs.FileSystem.from_uri(value)
        with files.open_input_stream(path) as file:
            return ("bytes", value, file.read())
    except Exception as error:  # Whatever a store says of one file, the others go on.
        return ("wrong", value, str(error))
