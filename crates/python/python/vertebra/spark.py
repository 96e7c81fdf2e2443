"""Predictions for an archive over Spark: `vertebra.spark.predict(frame, model)`. Retries and progress are Spark's.

Research use only, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Optional, Union

from . import _archive
from ._model import Model, Path

if TYPE_CHECKING:
    import pyarrow
    import pyspark.sql


def predict(
    frame: "pyspark.sql.DataFrame",
    model: Union[Path, bytes],
    *,
    column: Optional[str] = None,
    threads: int = 1,
) -> "pyspark.sql.DataFrame":
    """Classifies images on a Spark cluster; the model is loaded once a Python worker.

    Args:
        frame: a column of paths or addresses (``s3://...``) that every executor can read, or of the contents of files,
            such as ``spark.read.format("binaryFile")`` makes.
        model: a model file or run folder that the driver can read, or the bytes of a model file.
        column: which column has the images; ``bytes``, ``content`` or ``path`` if not said.
        threads: threads of each task; set ``spark.task.cpus`` to the same.

    Returns:
        A data frame with a row an image: the columns that it had, but for bytes, and those of ``predict --format csv``
        but for ``larger``. An image that cannot be read is a row with its error. ``.write.parquet(...)`` writes it.

    Raises:
        Error: the model cannot be read.
        ValueError: no column has images, or one has the name of an answer's.
    """
    from pyspark.sql.types import BinaryType, BooleanType, DoubleType, StringType, StructField, StructType

    content = _archive.read_model(model)
    shared = frame.sparkSession.sparkContext.broadcast(content)
    column = column or _archive.image_column(frame.columns)
    types = {"string": StringType(), "double": DoubleType(), "boolean": BooleanType()}
    kept = [field for field in frame.schema.fields if not isinstance(field.dataType, BinaryType)]
    found = _archive.columns(Model.load(content, threads=1))
    taken = {field.name for field in kept} & {name for name, _ in found}
    if taken:
        raise ValueError(f"expected no column {', '.join(sorted(taken))}, which answers have, found one")
    schema = StructType(kept + [StructField(name, types[kind]) for name, kind in found])

    def answer(batches: Iterable["pyarrow.RecordBatch"]) -> Iterator["pyarrow.RecordBatch"]:
        import pyarrow

        for batch in batches:
            table = pyarrow.Table.from_batches([batch])
            yield from _archive.answer(table, shared.value, column, threads).to_batches()

    return frame.mapInArrow(answer, schema)
