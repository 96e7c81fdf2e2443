"""Predictions for an archive over Ray, `vertebra.ray.predict(images, model)`, and trainings, `vertebra.ray.train_many`.
Order, retries and progress are Ray's.

Research use only, not a medical device.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Union

from . import _archive, _vertebra
from ._model import Path
from ._train import CrossValidation, Folds, Run, settings_of, train

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
    batch_size: Optional[int] = None,
    **options: Any,
) -> "ray.data.Dataset":
    """Classifies images on a Ray cluster; the model is loaded once a worker.

    Args:
        images: paths or addresses (``s3://...``) that every worker can read, or a dataset with a column of them or of
            the contents of files, such as ``ray.data.read_binary_files(..., include_paths=True)`` makes.
        model: a model file or run folder that this process can read, or the bytes of a model file.
        column: which column has the images; ``bytes``, ``content`` or ``path`` if not said.
        threads: threads and CPUs of each worker.
        workers: how many there are; as many as the cluster has CPUs for, if not said.
        batch_size: images that a worker is handed at a time; if not said, 64 of a dataset, whose contents it holds, and 1000
            of a list of paths, which it reads a few at a time.
        options: for ``ray.data.Dataset.map_batches``.

    Returns:
        A dataset with a row an image: the columns that it had, but for bytes, and those of ``predict --format csv``
        but for ``larger``. An image that cannot be read is a row with its error. ``.write_parquet(...)`` writes it.

    Raises:
        Error: the model cannot be read.
        ValueError: no column has images, or there is none.
    """
    import ray

    content = ray.put(_archive.read_model(model))
    if workers is None:
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
    if isinstance(images, ray.data.Dataset):
        batch_size = batch_size or 64
    else:
        if isinstance(images, (str, bytes, os.PathLike)):
            raise ValueError("images: expected a list of paths or a dataset, found a single one")
        paths = [{"path": os.fspath(path)} for path in images]
        if not paths:
            raise ValueError("images: expected a path or more, found none")
        batch_size = batch_size or 1000
        # Ray makes 200 blocks of 20,000 paths, and a task of each: that cost a fifth of the time.
        blocks = max(2 * workers, -(-len(paths) // batch_size))
        images = ray.data.from_items(paths, override_num_blocks=max(1, min(blocks, len(paths))))
    column = column or _archive.image_column(images.columns())
    return images.map_batches(
        _Worker,
        fn_constructor_args=(content, column, threads),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=threads,
        **options,
    )


def _fold(settings: str, number: int, threads: int) -> str:
    return _vertebra.train_fold(settings, number, threads, None)


def _run(settings: Dict[str, Any]) -> Dict[str, Any]:
    # A worker that was lost has left a checkpoint.
    return train(**settings, resume=_vertebra.has_begun(settings["out"])).document


def train_many(
    data: Optional[Path] = None,
    settings: Optional[Mapping[str, Dict[str, Any]]] = None,
    *,
    out: Path,
    folds: Union[int, str, None] = None,
    threads: int = 1,
    resume: bool = False,
    **options: Any,
) -> Dict[str, Union[Run, CrossValidation]]:
    """Trains with several settings, or folds, or both, each run a task of Ray's. A task that is lost with its worker is
    tried again by Ray and goes on from its checkpoint.

    Args:
        data: as for :func:`vertebra.train`; every worker reads it there.
        settings: what differs, under a name each: ``{"slow": {"lr": 1e-4}, "fast": {"lr": 1e-2}}``; one run without
            any, if not given.
        out: a folder that every worker reads and writes; each name is a run folder, or a cross-validation, in it.
        folds: a number of folds, or ``"leave-one-group-out"``; pooled as :func:`vertebra.train` pools them.
        threads: threads and CPUs of each task.
        resume: whether to go on with what is in ``out``.
        options: settings of all runs.

    Returns:
        What :func:`vertebra.train` gives, under the names of ``settings`` (``"run"``, if there are none), in their
        order.

    Raises:
        Error, ValueError: as :func:`vertebra.train` does, of settings, data and folders before a task begins.
        ray.exceptions.RayTaskError: what a task raised; ``resume=True`` goes on.
    """
    import ray

    place = {} if data is None else {"data": os.path.abspath(data)}
    own_of = lambda own: {**options, **own, **place, "threads": threads}  # noqa: E731
    all_of = {
        name: settings_of(None, os.path.join(os.path.abspath(out), name), own_of(own))
        for name, own in ({"run": {}} if settings is None else settings).items()
    }
    taken = [said["out"] for said in all_of.values() if _vertebra.has_begun(said["out"]) and not resume]
    if taken:
        raise _vertebra.Error(f"{taken[0]}: holds a run already; resume=True goes on with it")

    def remote(work: Any, *arguments: Any) -> Any:
        return ray.remote(num_cpus=threads)(work).remote(*arguments)

    if folds is None and not any(_vertebra.is_cross_validation(said["out"]) for said in all_of.values()):
        tasks = {name: remote(_run, said) for name, said in all_of.items()}
        return {name: Run(ray.get(task)) for name, task in tasks.items()}
    begun = {name: Folds(said, folds, _vertebra.has_begun(said["out"])) for name, said in all_of.items()}
    parts = {
        name: [remote(_fold, of.settings, number, threads) for number in range(1, of.count + 1)]
        for name, of in begun.items()
    }
    found: Dict[str, Union[Run, CrossValidation]] = {}
    for name, of in begun.items():
        for init in ray.get(parts[name]):
            of.took(init)
        found[name] = of.finish()
    return found
