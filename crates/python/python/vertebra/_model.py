"""A model: what it is, what it predicts, where it looks, and how good it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

from . import _images, _tables
from ._results import Evaluation, Predictions
from ._vertebra import Core, Unreadable
from . import _vertebra

if TYPE_CHECKING:
    import numpy

Path = Union[str, "os.PathLike[str]"]


class Heatmap:
    """Where in an image a class is seen. It shows what the network used, which is no evidence that a finding is there.
    Research use only, not a medical device.

    Attributes:
        values: float32 array ``[height, width]`` of the network's input: what speaks for the class (above 0) and
            against it, in logits.
        label: the class.
        probability: its probability.
        png: the overlay on the image, with its legend, as the bytes of a PNG file.
    """

    values: "numpy.ndarray"
    label: str
    probability: float
    png: bytes

    def __init__(self, values: "numpy.ndarray", label: str, probability: float, png: bytes) -> None:
        self.values, self.label, self.probability, self.png = values, label, probability, png

    def __repr__(self) -> str:
        return f"<Heatmap of {self.label} (p = {self.probability:.4f}). {_tables.NOTICE}>"

    def _repr_png_(self) -> bytes:
        return self.png


class Model:
    """A model that is ready to predict; made by :meth:`Model.load`. Research use only, not a medical device.

    It may be used from several threads: they wait for each other, while images of all of them are decoded. For
    predictions at the same time, load it once a thread with ``threads=1``. A forked process may use it too, with threads of
    its own, unless another thread was using it at the fork.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._told: Dict[str, Any] = json.loads(core.metadata())

    @classmethod
    def load(
        cls,
        path: Union[Path, bytes],
        *,
        threads: Optional[int] = None,
        positive: Optional[str] = None,
        threshold: Optional[float] = None,
    ) -> "Model":
        """Reads a model.

        Args:
            path: a model file, a run folder, whose best model is taken, or the bytes of a model file.
            threads: threads of its own, 0 for one a core; without it, those that the process shares, one a core.
            positive: the positive class instead of the model's (two classes).
            threshold: the probability from which on it is called instead of the model's (two classes, or all findings).

        Raises:
            Error: the file is not there, or is no model.
            ValueError: a class that the model does not have, or a threshold that is no probability.
        """
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold: expected a probability, found {threshold}")
        if threads is not None and not 0 <= threads <= 1024:
            raise ValueError(f"threads: expected 0 to 1024, found {threads}")
        if isinstance(path, bytes):
            return cls(Core(None, path, threads, positive, threshold))
        return cls(Core(os.fspath(path), None, threads, positive, threshold))

    @property
    def metadata(self) -> Dict[str, Any]:
        """What the model file says of itself: the document that is stored in it."""
        return self._told["metadata"]

    @property
    def classes(self) -> List[str]:
        """The names of the classes, or of the findings."""
        return list(self.metadata["classes"])

    @property
    def has_findings(self) -> bool:
        """Whether an image has several findings, each there or not, instead of one class."""
        return self.metadata.get("output") == "sigmoid"

    @property
    def input_shape(self) -> Tuple[int, int, int]:
        """What the network reads: height, width, channels. Images may have any size."""
        prep = self.metadata["preprocessing"]
        return prep["height"], prep["width"], prep["channels"]

    @property
    def positive(self) -> Optional[str]:
        """The positive class of two; None with more, and with findings."""
        decision = self._told["decision"]
        return decision and decision["positive"]

    @property
    def threshold(self) -> Optional[float]:
        """From which probability on the positive class of two is called; None with more, and with findings."""
        decision = self._told["decision"]
        return decision and decision["threshold"]

    @property
    def thresholds(self) -> Dict[str, float]:
        """From which probability on each finding is called; empty for a model of classes."""
        return dict(zip(self.classes, self._told["thresholds"]))

    def predict(self, images: Any, *, errors: str = "raise", white: Optional[float] = None) -> Predictions:
        """Classifies images, each resized and scaled as the model was trained.

        Args:
            images: an image, or a list of images of any kinds:

                - a path (``str`` or ``pathlib``) of a PNG, JPEG or DICOM file; of a folder, which is searched; or a
                  pattern with ``*``, ``?``, ``[]`` and ``**``;
                - ``bytes``: the content of such a file; or one that is open (``open(path, "rb")``, ``io.BytesIO``), which is
                  read;
                - an image of Pillow;
                - a numpy array ``[height, width]`` or ``[height, width, channels]``, of 1 (gray), 3 (red, green, blue),
                  or 2 or 4 channels, the last of which (transparency) is dropped; ``[n, height, width, channels]`` is a
                  list of images, and so is ``[n, height, width]`` but for 2 to 4 planes, which may be channels.

                0 is black. White is 255 for ``uint8``, 65535 for ``uint16``, 1.0 for floats and True for ``bool``;
                other integers need ``white``, but for gray images and a model with a window: there they are in their
                own units (Hounsfield units of a CT), as ``uint16`` is. A sample outside of 0 to white is an error,
                never clipped.
            errors: ``"raise"``: the first image that cannot be read is an exception; ``"return"``: it is an entry with
                its error and without an answer.
            white: the value that is white, for arrays, whatever their type. Samples with a white but 65535, and floats
                without one, are from black to white already: a model's window does not apply to them, as ``notes`` say.

        Returns:
            Predictions: an entry an image, in their order (a folder's by path).

        Raises:
            Unreadable: with ``errors="raise"``: an image cannot be read; the message names it.
            ValueError: ``errors`` is neither of both.
        """
        if errors not in ("raise", "return"):
            raise ValueError(f"errors: expected raise or return, found {errors}")
        answer = self._core.predict(_images.given(images, white), errors == "raise", True)
        found = Predictions(self.classes, self.has_findings, answer)
        if errors == "raise":
            for path, error in zip(found.paths, found.errors):
                if error is not None:
                    raise Unreadable(f"{path}: {error}")
        return found

    def heatmap(
        self,
        image: Any,
        label: Optional[str] = None,
        *,
        method: str = "occlusion",
        white: Optional[float] = None,
    ) -> Heatmap:
        """Shows where a class is seen in one image.

        Args:
            image: as for :meth:`predict`.
            label: the class; without it the positive one of two, else the called one.
            method: ``"occlusion"``: what the logit loses where a part is hidden, by 512 looks; ``"cam"``: the class
                activation map, which is faster and may point beside the place.
            white: as for :meth:`predict`.

        Raises:
            Unreadable: the image cannot be read.
            ValueError: no such class or method, or not one image.
        """
        values, at, probability, png = self._core.heatmap(_images.one(image, white), label, method)
        return Heatmap(values, self.classes[at], probability, png)

    def evaluate(
        self,
        data: Path,
        *,
        split: str = "test",
        group_by: Optional[str] = None,
        prevalence: Optional[float] = None,
        subgroups: Sequence[str] = (),
        bootstrap: Optional[int] = None,
        tta: bool = False,
        skip_unreadable: bool = False,
        max_unreadable: Optional[float] = None,
        truth: Optional[Path] = None,
        heatmap_method: str = "occlusion",
    ) -> Evaluation:
        """Evaluates the model on labelled images, as ``vertebra evaluate`` does. A look at a test split by a run folder
        is counted there.

        Args:
            data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest.
            split: ``train``, ``val``, ``test`` or ``all``; data without splits are evaluated whole, unless the model
                was trained on them.
            group_by: what is not independent: a column, or a pattern of the file name such as ``person*_``.
            prevalence: predictive values at this prevalence too (two classes).
            subgroups: columns whose values are evaluated by themselves.
            bootstrap: draws of the bootstrap intervals, by group; at least 100; 0 leaves them out; as many as the command line takes,
                if not said.
            tta: whether to average over small turns of each image.
            skip_unreadable: whether images that cannot be read are left out, up to the share ``max_unreadable``
                (that of the command line, if not said).
            truth: boxes, against which heatmaps are scored: a CSV table with columns path,x0,y0,x1,y1 and perhaps
                finding.
            heatmap_method: how those are made, as for :meth:`heatmap`.

        Raises:
            Unreadable: an image cannot be read.
            Error: the data cannot be read, or have a class that the model does not know.
            ValueError: an argument cannot be.
        """
        if bootstrap is not None and bootstrap < 0:
            raise ValueError(f"bootstrap: expected 0 or more, found {bootstrap}")
        document, shown, notes, *images = _vertebra.evaluate(
            self._core,
            os.fspath(data),
            split,
            group_by,
            prevalence,
            list(subgroups),
            bootstrap,
            tta,
            skip_unreadable,
            max_unreadable,
            None if truth is None else os.fspath(truth),
            heatmap_method,
        )
        return Evaluation(self.classes, json.loads(document), shown, _tables.warn(notes), tuple(images))

    def calibrate(
        self,
        data: Path,
        out: Path,
        *,
        rule: Optional[str] = None,
        split: str = "val",
        group_by: Optional[str] = None,
        positive: Optional[str] = None,
        temperature: bool = False,
        findings: Sequence[str] = (),
        skip_unreadable: bool = False,
        max_unreadable: Optional[float] = None,
        overwrite: bool = False,
    ) -> Dict[str, Any]:
        """Fixes the threshold (and the temperature) on a site's own labelled images, as ``vertebra calibrate`` does,
        and writes the model with them as another file. A look at a test split by a run folder is counted there.

        Args:
            data: a folder ``{train,val,test}/CLASS/...`` or ``CLASS/...``, or a CSV manifest.
            out: the model file to write.
            rule: how the threshold is chosen (two classes, or each finding): ``youden`` (if not said),
                ``sensitivity:S``, ``specificity:S``, ``ppv:P``, ``cost:FN=10,FP=1`` or ``value:T``.
            split: ``train``, ``val``, ``test`` or ``all``; data without splits are used whole.
            group_by: what is not independent: a column, or a pattern of the file name such as ``person*_``.
            positive: the positive class, if it is not the model's (two classes).
            temperature: whether the temperature is fitted too; of findings, the slope and the intercept of each.
            findings: only these findings, the others stay.
            skip_unreadable: whether images that cannot be read are left out, up to the share ``max_unreadable``
                (that of the command line, if not said).
            overwrite: whether a file may be replaced.

        Returns:
            What was fixed, on what, and what it was before, under the names of ``calibrate --json``.

        Raises:
            FileExistsError: ``out`` is there, and ``overwrite`` is not said.
            Unreadable: an image cannot be read.
            Error: the data cannot be read, or no threshold follows from them by this rule.
            ValueError: an argument cannot be, or ``out`` is a file that is read.
        """
        document, notes = _vertebra.calibrate(
            self._core,
            os.fspath(data),
            _free(out, overwrite),
            rule,
            split,
            group_by,
            positive,
            temperature,
            list(findings),
            skip_unreadable,
            max_unreadable,
        )
        _tables.warn(notes)
        return json.loads(document)

    def explain(self) -> str:
        """In words: what the model reads, what it answers, where it decides, and where that comes from."""
        return "\n".join(f"{name}: {value}" for name, value in self._described())

    def _described(self) -> List[Tuple[str, str]]:
        metadata, decision = self.metadata, self._told["decision"]
        arch, prep, origin = metadata["architecture"], metadata["preprocessing"], metadata["provenance"]
        height, width, channels = self.input_shape
        colours = "gray" if channels == 1 else "red, green, blue"
        fit = "stretched" if prep.get("fit") == "stretch" else "fitted with black around"
        scaled = f"x * {prep['scale']} + {prep['offset']}"
        rows = [
            ("Network", f"{arch['name']}, width {arch['width']}"),
            ("Input", f"{height} x {width} pixels, {colours}; other sizes are {fit}; {scaled}"),
            ("Findings" if self.has_findings else "Classes", ", ".join(self.classes)),
        ]
        if prep.get("window"):
            rows.insert(2, ("Window", f"{prep['window']} (centre, width)"))
        if decision:
            said = f"{decision['positive']} ({decision['positive_source']}), from p = {decision['threshold']:.4f}"
            rows.append(("Positive", f"{said} ({decision['rule']})"))
        elif self.has_findings:
            called = ", ".join(f"{name} from p = {value:.4f}" for name, value in self.thresholds.items())
            rows.append(("Called", called))
        else:
            rows.append(("Called", "the most probable class"))
        if self._told["promise"]:
            rows.append(("Threshold", self._told["promise"]))
        if metadata.get("calibration"):
            rows.append(("Calibration", f"temperature {metadata['calibration']['temperature']:.4f}"))
        rows.append(("Made by", f"{origin['program']} {origin['version']}"))
        if origin.get("data_fingerprint"):
            rows.append(("Data", f"SHA-256 {origin['data_fingerprint']}"))
        rows.append(("Use", _tables.NOTICE))
        return rows

    def __repr__(self) -> str:
        height, width, channels = self.input_shape
        name = self.metadata["architecture"]["name"]
        return f"<Model {name} for {height}x{width}x{channels}: {', '.join(self.classes)}. {_tables.NOTICE}>"

    def _repr_html_(self) -> str:
        return _tables.table([{"Model": name, "": value} for name, value in self._described()])


def export_onnx(model: Union[Model, Path], out: Path, *, overwrite: bool = False) -> None:
    """Writes a model as an ONNX file: input ``input`` ``[N, channels, height, width]``, preprocessed; outputs
    ``logits`` and ``probabilities`` ``[N, classes]``. Classes, preprocessing and operating point (that which the model
    was loaded with) are JSON in its metadata.

    Raises:
        FileExistsError: ``out`` is there, and ``overwrite`` is not said.
        Error: the model cannot be read, or the file not be written.
        ValueError: ``out`` is the model's file.
    """
    model = model if isinstance(model, Model) else Model.load(model)
    _vertebra.export_onnx(model._core, _free(out, overwrite))


def import_weights(
    file: Path,
    out: Path,
    *,
    classes: Optional[Sequence[str]] = None,
    positive: Optional[str] = None,
    naming: Optional[str] = None,
    padding: Optional[str] = None,
    epsilon: Optional[float] = None,
    activation: Optional[str] = None,
    preprocessing: Optional[str] = None,
    image_size: Union[int, Tuple[int, int], None] = None,
    colours: Optional[str] = None,
    key: Optional[str] = None,
    overwrite: bool = False,
) -> Dict[str, str]:
    """Makes a model file of another program's MobileNet weights (PyTorch, timm, Keras, TensorFlow-slim, safetensors).

    Args:
        file: the weights; the content tells what they are.
        out: the model file to write.
        classes: the names of the classes.
        positive: the positive class of two.
        naming: whose conventions hold: ``tf``, ``torchvision`` or ``keras``.
        padding: ``same`` or ``symmetric``.
        epsilon: of the batch norms.
        activation: ``relu``, ``relu6`` or ``leaky-relu:SLOPE``.
        preprocessing: ``tf``, ``torch`` or ``unit``.
        image_size: the side of the input, or height and width.
        colours: ``rgb`` or ``bgr``.
        key: of several networks in the file, the one under this name.
        overwrite: whether a file may be replaced.

    Returns:
        Where each property comes from that tensors do not tell: ``given``, ``in file`` or ``assumed``. A wrong
        assumption is no error but wrong predictions.

    Raises:
        FileExistsError: ``out`` is there, and ``overwrite`` is not said.
        Error: the weights cannot be read, or are no MobileNet's.
        ValueError: an argument cannot be, or ``out`` is ``file``.
    """
    side = [image_size, image_size] if isinstance(image_size, int) else image_size
    names = None if classes is None else list(classes)
    told = _vertebra.import_weights(
        os.fspath(file),
        _free(out, overwrite),
        naming,
        names,
        positive,
        padding,
        epsilon,
        activation,
        preprocessing,
        None if side is None else list(side),
        colours,
        key,
    )
    return json.loads(told)


def _free(out: Path, overwrite: bool) -> str:
    if os.path.exists(out) and not overwrite:
        raise FileExistsError(f"{os.fspath(out)}: is there already; overwrite=True replaces it")
    return os.fspath(out)
