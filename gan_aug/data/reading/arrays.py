"""Arrays as images: which number types are pictures, and which slice of a volume is taken; reads `.npy` files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.items import Pixels
from gan_aug.errors import DataError

Index = int | str | None
"""Which slice of a volume: its number from 0, "first", "middle", or None if a volume is not meant."""

MAX_PIXELS = 178_956_970
"""The largest number of pixels in one image, twice Pillow's own bound for a warning."""

COLOURS = (3, 4)
"""Lengths of a last axis that holds red, green, blue and perhaps alpha."""


def read_npy(path: Path, axis: int | None, index: Index) -> Pixels:
    """The image in a `.npy` file, or one slice of the volume in it.

    Args:
        path: The file. Nothing in it is run: an array of Python objects, which is a pickle, is refused.
        axis: The axis that slices are counted along; by default the first.
        index: The slice.

    Returns:
        `(H, W)` or `(H, W, 3)`.

    Raises:
        DataError: It is no such array; the message is the reason.
    """
    array = _opened(path)
    array = array.reshape(picture_shape(array.shape, array.dtype))
    along = volume_axis(array.shape, axis)
    if along is not None:
        array = np.take(array, chosen(array.shape[along], index, "slices"), axis=along)
    elif array.ndim != 2 + coloured(array.shape):
        raise DataError(f"its array is {array.shape}, not an image or a volume of slices")
    check_pixels(array.shape)
    return to_pixels(np.asarray(array))


def npy_slices(path: Path, axis: int | None) -> int | None:
    """How many slices the volume in a `.npy` file has along `axis`; None for an image."""
    array = _opened(path)
    shape = picture_shape(array.shape, array.dtype)
    along = volume_axis(shape, axis)
    return None if along is None else shape[along]


def _opened(path: Path) -> npt.NDArray[Any]:
    """The array in the file, mapped into memory: only what is asked for is read."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise DataError("it holds Python objects (a pickle), which may run code and are never opened") from error
        raise DataError("the npy file is truncated or corrupt") from error
    except (OSError, EOFError, TypeError, SyntaxError, LookupError, OverflowError) as error:
        raise DataError("the npy file is truncated or corrupt") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError("it is an archive of several arrays (npz), not one: save each image as a .npy file")
    if not array.size:
        raise DataError("its array is empty")
    return array


def picture_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The shape without axes of length 1 around the picture; raises DataError for numbers that are no grey values."""
    if dtype.kind not in "buif":
        raise DataError(f"its values are {dtype}, not grey values")
    trimmed = list(shape)
    while len(trimmed) > 2 and trimmed[0] == 1:
        del trimmed[0]
    while len(trimmed) > 2 and trimmed[-1] == 1:
        del trimmed[-1]
    return tuple(trimmed)


def coloured(shape: tuple[int, ...]) -> bool:
    """Whether the last axis of `shape` holds colours."""
    return len(shape) > 2 and shape[-1] in COLOURS


def volume_axis(shape: tuple[int, ...], axis: int | None) -> int | None:
    """The axis that the slices of a volume are counted along; None if `shape` is that of one image.

    `(H, W, 3)` is a picture in colour, unless an axis is asked for. Raises DataError for a shape that may be either.
    """
    if len(shape) == 3 and (axis is not None or not coloured(shape)):
        if axis is None and shape[0] == 3:
            raise DataError(
                f"its array is {shape}, three slices or three colours: put colours last, or set data.slices.axis"
            )
        return axis or 0
    if len(shape) == 4 and coloured(shape):
        return axis or 0
    return None


def chosen(count: int, index: Index, what: str) -> int:
    """The number of the slice that `index` means, from 0.

    Args:
        count: How many there are.
        index: What is asked for.
        what: What they are called: "slices" or "pages".

    Raises:
        DataError: None is asked for, or there is no such slice.
    """
    if index is None:
        raise DataError(f"it holds {count} {what}, not one image: say which with data.slices.index")
    number = {"first": 0, "middle": count // 2}.get(index, -1) if isinstance(index, str) else index
    if not 0 <= number < count:
        raise DataError(f"it holds {count} {what}, counted from 0, and data.slices.index asks for {index}")
    return number


def check_pixels(shape: tuple[int, ...]) -> None:
    """Raise DataError if an image of `shape` has too many pixels to be opened safely."""
    if math.prod(shape[:2]) > MAX_PIXELS:
        raise DataError("the image has too many pixels to be opened safely")


def to_pixels(values: npt.NDArray[Any]) -> Pixels:
    """Grey values or colours of any number type as uint8, uint16 or float32; alpha is dropped.

    8 and 16 bit without sign stay as they are, and true and false become white and black. All other numbers become
    float32, of which `Raster` takes the range that they have.
    """
    values = values[..., :3] if coloured(values.shape) and values.ndim == 3 else values
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return values.astype(values.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is clipped
        return values.astype(np.float32)
