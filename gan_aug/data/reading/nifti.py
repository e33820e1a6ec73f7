"""NIfTI files: images and slices of volumes, shown as radiologists see them. The only place that imports nibabel."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_aug.data.items import Pixels
from gan_aug.data.reading.arrays import Index, check_pixels, chosen, to_pixels
from gan_aug.data.reading.raster import resized_planes
from gan_aug.errors import DataError

SQUARE = 0.01
"""Sides of a pixel that differ by less than this share count as equal."""

Floats = npt.NDArray[Any]


def read_nifti(path: Path, axis: int | None, index: Index) -> Pixels:
    """One slice of the NIfTI file at `path`, or the image in it if it has two dimensions.

    Axes are anatomical, whatever their order in the file: 0 from left to right, 1 from back to front, 2 from feet to
    head. The slice is shown as DICOM shows it: front or head up, and the patient's right side (in a slice along axis 0
    the front) on the left. Pixels that are not square are resampled to squares of their shorter side.

    Args:
        path: The file.
        axis: The anatomical axis that slices are counted along; by default 2.
        index: The slice.

    Returns:
        `(H, W)` of uint8, uint16 or float32, with the scaling of the header applied; or `(H, W, 3) uint8`.

    Raises:
        DataError: It is no such file; the message is the reason.
    """
    with _opened(path) as image:
        shape, order, flips = _anatomy(image)
        stored = _slice_axis(shape, order, axis)
        number = 0 if shape[stored] == 1 else chosen(shape[stored], index, "slices")
        position = shape[stored] - 1 - number if flips[stored] else number
        check_pixels(tuple(length for k, length in enumerate(shape) if k != stored))
        spacing = [float(zoom) or 1.0 for zoom in (*image.header.get_zooms()[:3], 1.0, 1.0)[:3]]
        values = _values(image, shape, stored, position)
    others = [k for k in range(3) if k != stored]
    for k, at in enumerate(others):
        if flips[at]:
            values = np.flip(values, k)
    if order[others[0]] > order[others[1]]:
        others.reverse()
        values = values.swapaxes(0, 1)
    # Now rows go left to right or back to front: shown, they are columns from right to left, from front to back.
    shown = np.ascontiguousarray(values.swapaxes(0, 1)[::-1, ::-1])
    return _square(to_pixels(shown), spacing[others[1]], spacing[others[0]])


def nifti_slices(path: Path, axis: int | None) -> int | None:
    """How many slices the volume at `path` has along an anatomical axis; None for an image of two dimensions."""
    with _opened(path) as image:
        shape, order, _ = _anatomy(image)
        count = shape[_slice_axis(shape, order, axis)]
    return None if count == 1 else count


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, of which only the header is read yet; whatever nibabel raises within the block becomes a DataError."""
    try:
        import nibabel  # noqa: TID251 - the door
        from nibabel.filebasedimages import ImageFileError  # noqa: TID251
        from nibabel.spatialimages import HeaderDataError  # noqa: TID251
    except ImportError as error:
        raise DataError("reading NIfTI needs nibabel: pip install 'gan-aug[nifti]'") from error
    damaged = (
        ImageFileError, HeaderDataError, OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError,
        zlib.error, struct.error, AttributeError,
    )  # fmt: skip
    try:
        yield nibabel.load(path)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError("there is not enough memory to decode it") from error
    except damaged as error:
        raise DataError("the NIfTI file is truncated or corrupt") from error


def _anatomy(image: Any) -> tuple[tuple[int, int, int], list[int], list[bool]]:
    """The lengths of the three stored axes, the anatomical axis of each, and whether each runs the other way."""
    from nibabel.orientations import io_orientation  # noqa: TID251

    shape = [int(length) for length in image.shape]
    while len(shape) > 3 and shape[-1] == 1:
        del shape[-1]
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(f"it has the shape {tuple(image.shape)}, which is neither an image nor one volume")
    shape += [1] * (3 - len(shape))
    found = np.asarray(io_orientation(image.affine))  # type: ignore[no-untyped-call]
    if len(found) != 3 or np.isnan(found).any():
        return (shape[0], shape[1], shape[2]), [0, 1, 2], [False] * 3
    return (shape[0], shape[1], shape[2]), [int(row[0]) for row in found], [row[1] < 0 for row in found]


def _slice_axis(shape: tuple[int, int, int], order: list[int], axis: int | None) -> int:
    """The stored axis that slices are counted along: the one of length 1 if there is one and no other is asked for."""
    if axis is None and 1 in shape:
        return 2 - shape[::-1].index(1)
    return order.index(2 if axis is None else axis)


def _values(image: Any, shape: tuple[int, int, int], stored: int, position: int) -> npt.NDArray[Any]:
    """The values of one slice in the order of the file, scaled as the header says; colours are a last axis."""
    where: list[Any] = [slice(None)] * len(image.shape)
    if stored < len(image.shape):
        where[stored] = position
    where[3:] = [0] * len(where[3:])
    values = np.asarray(image.dataobj[tuple(where)])
    if values.dtype.names:
        if not {"R", "G", "B"} <= set(values.dtype.names):
            raise DataError(f"its values are {values.dtype}, not grey values")
        values = np.stack([values[name] for name in "RGB"], axis=-1)
    if values.dtype.kind not in "buif":
        raise DataError(f"its values are {values.dtype}, not grey values")
    two = tuple(length for k, length in enumerate(shape) if k != stored)
    return values.reshape(*two, *values.shape[2:])


def _square(pixels: Pixels, down: float, across: float) -> Pixels:
    """The picture with square pixels, given the distances between its rows and between its columns."""
    if not (0 < down < np.inf and 0 < across < np.inf) or abs(down / across - 1) < SQUARE:
        return pixels
    side = min(down, across)
    height, width = pixels.shape[:2]
    size = max(1, round(width * across / side)), max(1, round(height * down / side))
    check_pixels((size[1], size[0]))
    made = resized_planes(pixels, size, Image.Resampling.BILINEAR)
    return made if pixels.dtype == np.float32 else np.rint(made).astype(pixels.dtype)
