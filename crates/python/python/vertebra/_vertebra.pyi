"""The native half. Use what the package `vertebra` offers: this is how it is called, and may change."""

from typing import Any, Callable, List, Optional, Tuple

import numpy
from numpy.typing import NDArray

__version__: str

class Error(RuntimeError):
    """Something could not be done; the message says what was expected and found."""

class Unreadable(Error):
    """An image cannot be read."""

class Core:
    def __new__(
        cls,
        path: Optional[str],
        content: Optional[bytes],
        threads: Optional[int],
        positive: Optional[str],
        threshold: Optional[float],
    ) -> Core: ...
    def metadata(self) -> str: ...
    def predict(
        self, images: List[Tuple[str, str, Any]], stop: bool, search: bool
    ) -> Tuple[
        List[Any],
        NDArray[numpy.float64],
        NDArray[numpy.int64],
        List[Optional[bool]],
        NDArray[numpy.bool_],
        List[Optional[str]],
        List[str],
    ]: ...
    def heatmap(
        self, image: Tuple[str, str, Any], label: Optional[str], method: str
    ) -> Tuple[NDArray[numpy.float32], int, float, bytes]: ...

class Shown:
    def html(self) -> str: ...

def evaluate(
    core: Core,
    data: str,
    split: str,
    group_by: Optional[str],
    prevalence: Optional[float],
    subgroups: List[str],
    draws: Optional[int],
    tta: bool,
    skip_unreadable: bool,
    max_unreadable: Optional[float],
    truth: Optional[str],
    heatmap_method: str,
) -> Tuple[
    str, Shown, List[str], List[str], List[str], NDArray[numpy.float64], NDArray[numpy.float64]
]: ...
def calibrate(
    core: Core,
    data: str,
    out: str,
    rule: Optional[str],
    split: str,
    group_by: Optional[str],
    positive: Optional[str],
    temperature: bool,
    findings: List[str],
    skip_unreadable: bool,
    max_unreadable: Optional[float],
) -> Tuple[str, List[str]]: ...
def compare(
    first: Core,
    second: Core,
    data: str,
    split: str,
    group_by: Optional[str],
    positive: Optional[str],
    skip_unreadable: bool,
    max_unreadable: Optional[float],
) -> Tuple[str, List[str]]: ...
def audit(
    data: str,
    group_by: Optional[str],
    positive: Optional[str],
    labels: Optional[str],
    uncertain: str,
    readers: str,
) -> Tuple[str, List[str]]: ...
def split(
    data: str,
    by: str,
    fractions: Optional[List[float]],
    folds: Optional[str],
    labels: Optional[str],
    uncertain: str,
    readers: str,
    seed: int,
    out: Optional[str],
) -> Tuple[str, List[str]]: ...
def train(
    settings: str, resume: bool, observer: Optional[Callable[[str], None]], ranks: Optional[Any]
) -> str: ...

class Folds:
    count: int
    def __new__(cls, settings: str, folds: Optional[str], resume: bool) -> Folds: ...
    def settings(self) -> str: ...
    def finish(self) -> Tuple[str, List[str]]: ...

def train_fold(
    settings: str, fold: int, threads: int, observer: Optional[Callable[[str], None]]
) -> str: ...
def is_cross_validation(folder: str) -> bool: ...
def has_begun(folder: str) -> bool: ...
def panics(text: str) -> None: ...
def defaults() -> str: ...
def export_onnx(core: Core, out: str) -> None: ...
def import_weights(
    file: str,
    out: str,
    naming: Optional[str],
    classes: Optional[List[str]],
    positive: Optional[str],
    padding: Optional[str],
    epsilon: Optional[float],
    activation: Optional[str],
    preprocessing: Optional[str],
    image_size: Optional[List[int]],
    colours: Optional[str],
    key: Optional[str],
) -> str: ...
