"""What an image may be: found out here, so that the native half meets paths, bytes and arrays of four types only."""

from __future__ import annotations

import io
import math
import os
from typing import Any, List, Optional, Tuple

Given = Tuple[str, str, Any]

# Modes of Pillow whose samples mean what they say; others are converted to one of these.
_PLAIN = {"L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "I;16N"}


def given(images: Any, white: Optional[float] = None) -> List[Given]:
    """A list of what was given, each with its kind and its name."""
    if isinstance(images, (list, tuple)) or _is_iterator(images):
        return [_one(image, f"image {at}", white) for at, image in enumerate(images)]
    if _is_stack(images):
        return [_one(image, f"image {at}", white) for at, image in enumerate(images)]
    return [_one(images, "image 0", white)]


def one(image: Any, white: Optional[float] = None) -> Given:
    """A single image."""
    found = given(image, white)
    if len(found) != 1:
        raise ValueError(f"image: expected one image, found {len(found)}")
    return found[0]


def _is_stack(images: Any) -> bool:
    """Whether an array is `[n, height, width]` or `[n, height, width, channels]`.

    No image has more than 4 channels. Of 2 to 4 planes nobody can say whether they are images or channels: no stack.
    """
    shape = tuple(getattr(images, "shape", ()))
    return len(shape) == 4 or (len(shape) == 3 and shape[2] > 4 and shape[0] not in (2, 3, 4))


def _is_iterator(images: Any) -> bool:
    return hasattr(images, "__next__") and not _is_file(images)


def _is_file(image: Any) -> bool:
    """Whether it is an open file, which as an iterator would be lines."""
    return callable(getattr(image, "read", None)) and not hasattr(image, "shape")


def _content(file: Any, name: str) -> Given:
    """What is left of an open file."""
    given = getattr(file, "name", None)
    name = given if isinstance(given, str) else name
    if isinstance(file, io.TextIOBase):
        return ("wrong", name, 'expected a file opened with "rb", found one of text')
    try:
        content = file.read()
    except Exception as error:  # Whatever a stream says of one image, the others go on.
        return ("wrong", name, f"{type(error).__name__}: {error}")
    if not isinstance(content, (bytes, bytearray, memoryview)):
        return ("wrong", name, f"expected a file of bytes, found one of {type(content).__name__}")
    return ("bytes", name, bytes(content))


def _one(image: Any, name: str, white: Optional[float]) -> Given:
    if isinstance(image, (str, os.PathLike)):
        return ("path", os.fspath(image), None)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return ("bytes", name, bytes(image))
    if _is_file(image):
        return _content(image, name)
    try:
        if hasattr(image, "getbands") and hasattr(image, "mode"):
            name = getattr(image, "filename", None) or name
            return ("array", name, _samples(*_of_pillow(image, white)))
        return ("array", name, _samples(image, white))
    except (TypeError, ValueError, OSError, SyntaxError) as error:
        # Pillow decodes only now what it opened, and says so of a damaged file by either of the last two.
        return ("wrong", name, str(error))


def _of_pillow(image: Any, white: Optional[float]) -> Tuple[Any, Optional[float]]:
    import numpy
    from PIL import ImageOps

    if image.mode == "I" and image.format and white is None:
        white = 65535.0  # What Pillow makes of a file of 16 bits; made otherwise, its values may mean anything.
    # As the reader of files turns it.
    image = ImageOps.exif_transpose(image)
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode not in _PLAIN and image.mode not in ("I", "F"):
        image = image.convert("RGB")
    return numpy.asarray(image), white


def _samples(image: Any, white: Optional[float]) -> Tuple[Any, float]:
    """An array `[height, width]` or `[height, width, 1 or 3]` of uint8, uint16, float32 or float64, and its white."""
    import numpy

    array = numpy.asarray(image)
    kind = array.dtype.kind
    if kind not in "buif":
        raise TypeError(
            "expected a path, bytes, an image of Pillow or an array of integers or floats, found "
            + (type(image).__name__ if array.dtype == object else f"an array of {array.dtype}")
        )
    if array.ndim == 3 and array.shape[2] in (2, 4):
        array = array[:, :, : array.shape[2] - 1]  # Without the transparency, as files are read.
    if 0 in array.shape:
        raise ValueError(f"expected an array with pixels, found {list(array.shape)}")
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (1, 3)):
        shape = list(array.shape)
        raise ValueError(
            f"expected an array [height, width] or [height, width, 1 or 3], found {shape}"
            + ("; gray images are [n, height, width, 1], channels the last axis" if array.ndim == 3 else "")
        )
    natural = {"uint8": 255.0, "uint16": 65535.0, "bool": 1.0}.get(array.dtype.name, 1.0 if kind == "f" else None)
    white = natural if white is None else float(white)
    if white is None:
        white = math.nan  # Values in their own units, such as Hounsfield units: a model with a window knows.
    plain = white == natural and array.dtype.name in ("uint8", "uint16", "float32")
    wanted = array.dtype.newbyteorder("=") if plain else numpy.float64
    return numpy.ascontiguousarray(array, dtype=wanted), white
