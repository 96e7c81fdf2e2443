"""Train, check and run X-ray classifiers on a CPU. Research use only, not a medical device.

    import vertebra

    model = vertebra.Model.load("runs/mine")
    found = model.predict(["a.png", "b.dcm"])
    print(found.probabilities)                  # array [images, classes]
    print(found.labels, found.decisions)        # at the model's own operating point

The same library as the command line's, and the same bits: what a model answers does not depend on the door. Errors are
:class:`Error` (something could not be done) and :class:`ValueError` (an argument cannot be), with the words of the
command line.
"""

from ._compare import Comparison, compare
from ._data import Audit, audit, split
from ._model import Heatmap, Model, export_onnx, import_weights
from ._results import Evaluation, Predictions
from ._train import CrossValidation, Ranks, Run, train
from ._vertebra import Error, Unreadable, __version__

__all__ = [
    "Audit",
    "Comparison",
    "CrossValidation",
    "Error",
    "Evaluation",
    "Heatmap",
    "Model",
    "Predictions",
    "Ranks",
    "Run",
    "Unreadable",
    "__version__",
    "audit",
    "compare",
    "export_onnx",
    "import_weights",
    "split",
    "train",
]
