"""Predictions for an archive over Ray: `vertebra.ray.predict(images, model)`. Order, retries and progress are Ray's.

Research use only, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Optional, Union

from . import _archive
from ._model import Path

if TYPE_CHECKING:
    import pyarrow
    import ray.data


class _Worker:
    """An actor, which keeps its model from batch to batch."""

    def __init__(self, content: Any, column: str, threads: int) -> None:
        import ray

        # Ray resolves a reference that is an argument itself, and leaves one within another.
        self.content = content if isinstance(content, bytes) else ray.get(content)
        self.column, self.threads = column, threads

    def __call__(self, batch: "pyarrow.Table") -> "pyarrow.Table":
        return _archive.answer(batch, self.content, self.column, self.threads)


def predict(
    images: Union["ray.data.Dataset", Iterable[Path]],
    model: Union[Path, bytes],
    *,
    column: Optional[str] = None,
    threads: int = 1,
    workers: Optional[int] = None,
    batch_size: int = 64,
    **options: Any,
) -> "ray.data.Dataset":
    """Classifies images on a Ray cluster; the model is loaded once a worker.

    Args:
        images: paths or addresses (``s3://...``) that every worker can read, or a dataset with a column of them or of the
            contents of files, such as ``ray.data.read_binary_files(..., include_paths=True)`` makes.
        model: a model file or run folder that this process can read, or the bytes of a model file.
        column: which column has the images; ``bytes``, ``content`` or ``path`` if not said.
        threads: threads and CPUs of each worker.
        workers: how many there are; as many as the cluster has CPUs for, if not said.
        batch_size: images that a worker is handed at a time.
        options: for ``ray.data.Dataset.map_batches``.

    Returns:
        A dataset with a row an image: the columns that it had, but for bytes, and those of ``predict --format csv``
        but for ``larger``. An image that cannot be read is a row with its error. ``.write_parquet(...)`` writes it.

    Raises:
        Error: the model cannot be read.
        ValueError: no column has images.
    """
    import ray

    if not isinstance(images, ray.data.Dataset):
        images = ray.data.from_items([{"path": str(path)} for path in images])
    content = ray.put(_archive.read_model(model))
    column = column or _archive.image_column(images.columns())
    if workers is None:
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
    return images.map_batches(
        _Worker,
        fn_constructor_args=(content, column, threads),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=threads,
        **options,
    )
