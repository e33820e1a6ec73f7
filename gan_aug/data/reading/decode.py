"""Decode image files; a file that cannot be used gives a reason, never a crash."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_aug.config.data import SlicesConfig
from gan_aug.data.items import Pixels
from gan_aug.data.reading.arrays import Index, chosen, npy_slices, read_npy
from gan_aug.data.reading.nifti import nifti_slices, read_nifti
from gan_aug.errors import DataError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "JPEG2000", "PPM", "GIF")
PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k", ".pgm", ".ppm", ".pnm",
    ".gif",
)  # fmt: skip
NIFTI = (".nii", ".nii.gz")
NPY = (".npy",)
PAGED = ("TIFF", "GIF", "WEBP")
"""Formats whose files may hold several pages or frames."""

NO_IMAGE = "not an image file"
"""Why a file is set aside whose ending is that of no image."""

ELSEWHERE = {
    ".dcm": "a DICOM file: data.source: dicom reads it",
    ".dicom": "a DICOM file: data.source: dicom reads it",
    ".npz": "an archive of several arrays (npz): save each image as a .npy file",
    ".zip": "an archive, which is not opened: unpack it",
    **dict.fromkeys(
        (".mha", ".mhd", ".nrrd", ".mgz", ".mgh", ".hdr", ".img"),
        "a volume of a kind that is not read: save it as NIfTI (.nii.gz)",
    ),
    **dict.fromkeys(
        (".heic", ".avif", ".jxl", ".svs", ".ndpi"), "an image of a kind that is not read: save it as PNG or TIFF"
    ),
}
"""Why files with these endings are not read here, and what to do."""

Answer = TypeVar("Answer")

_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    AttributeError, RuntimeError,
)  # fmt: skip
"""What Pillow's parsers raise on files that are truncated or altered."""


def is_image_file(path: Path) -> bool:
    """Whether the file's ending is that of an image that `decode` reads."""
    return path.name.lower().endswith((*PICTURES, *NIFTI, *NPY))


def why_not(path: Path) -> str:
    """Why a file that is not an image file by its ending is set aside."""
    if reason := ELSEWHERE.get(path.suffix.lower()):
        return reason
    if not path.is_file():
        return "not a file"  # opening a pipe would wait for ever
    try:
        with path.open("rb") as file:
            return ELSEWHERE[".dcm"] if file.read(132)[128:] == b"DICM" else NO_IMAGE
    except OSError:
        return NO_IMAGE


def images_in_file(path: Path, slices: SlicesConfig) -> list[tuple[int | None, Callable[[], Pixels]]]:
    """The images that a file gives: one, or the slices of a volume that `data.slices` asks for.

    Args:
        path: The file.
        slices: The section `data.slices`.

    Returns:
        For each image its slice's number, None for a file with one image, and what decodes it.

    Raises:
        DataError: The slices of a volume cannot be counted; the message is the reason.
    """
    axis, wanted = slices.axis, slices.index
    if not isinstance(wanted, tuple) and wanted != "all":
        return [(None, partial(decode, path, axis, wanted) if _may_be_volume(path) else partial(decode, path))]
    count = _count(path, axis) if _may_be_volume(path) else None
    if count is None:
        return [(None, partial(decode, path))]
    numbers = range(count) if wanted == "all" else wanted
    return [(number, partial(decode, path, axis, number)) for number in numbers]


def named_images(
    path: Path, slices: SlicesConfig, origin: str, patient: str | None = None
) -> Iterator[tuple[str, str | None, Callable[[], Pixels]]]:
    """The images that a file gives, each with its origin and its patient; see `images_in_file`.

    Args:
        path: The file.
        slices: The section `data.slices`.
        origin: The origin of the file, to which slices add their number.
        patient: The patient, or None. The slices of one volume are of one patient, whoever that is.

    Yields:
        For each image its origin, its patient, and what decodes it.

    Raises:
        DataError: The slices of a volume cannot be counted; the message is the reason.
    """
    for number, read in images_in_file(path, slices):
        if number is None:
            yield origin, patient, read
        else:
            yield f"{origin} slice {number}", patient or f"\0{origin}", read


def decode(path: Path, axis: int | None = None, index: Index = None) -> Pixels:
    """The image in the file `path`, or one slice or page of it.

    Palettes are expanded, alpha is dropped and the EXIF orientation is applied.

    Args:
        path: The file.
        axis: The axis that slices of a volume are counted along.
        index: Which slice or page is meant if there are several; see `Index`.

    Returns:
        Grey `(H, W)` of uint8, uint16 or float32, or colour `(H, W, 3)`.

    Raises:
        DataError: It cannot be decoded; the message is the reason and names no path.
    """
    name = path.name.lower()
    _check_file(path)
    if name.endswith(NIFTI):
        return read_nifti(path, axis, index)
    if name.endswith(NPY):
        return read_npy(path, axis, index)
    return _with_pillow(path, lambda image: _pixels(image, index))


def _check_file(path: Path) -> None:
    """Raise DataError if there is no file with content, or it may not be read."""
    try:
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except PermissionError as error:
        raise DataError("permission to read the file is denied") from error
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror or error})") from error


def _may_be_volume(path: Path) -> bool:
    return path.name.lower().endswith((*NIFTI, *NPY, ".tif", ".tiff", ".gif", ".webp"))


def _count(path: Path, axis: int | None) -> int | None:
    """How many slices or pages a file has; None if it is one image."""
    name = path.name.lower()
    _check_file(path)
    if name.endswith(NIFTI):
        return nifti_slices(path, axis)
    if name.endswith(NPY):
        return npy_slices(path, axis)
    pages = _with_pillow(path, _page_count)
    return pages if pages > 1 else None


def _with_pillow(path: Path, use: Callable[[Image.Image], Answer]) -> Answer:
    try:
        with warnings.catch_warnings():
            # Pillow warns of unusual but harmless tags. Its warning of a decompression bomb must be an error.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return use(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise DataError("the image has too many pixels to be opened safely") from error
    except UnidentifiedImageError as error:
        raise DataError("not an image that can be decoded") from error
    except _DAMAGED as error:
        raise DataError("the image file is truncated or corrupt") from error


def _page_count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1)) if image.format in PAGED else 1


def _pixels(image: Image.Image, index: Index) -> Pixels:
    pages = _page_count(image)
    if pages > 1:
        image.seek(chosen(pages, index, "pages"))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return _whole_numbers(upright)
    if upright.mode == "F":
        return np.asarray(upright, dtype=np.float32)
    if upright.mode in ("1", "L", "LA", "La"):
        return np.asarray(upright.convert("L"))
    if upright.mode == "P":
        upright = upright.convert("RGBA")  # converting straight to RGB fails for palettes with transparency
    return np.asarray(upright.convert("RGB"))


def _whole_numbers(image: Image.Image) -> Pixels:
    """A 16-bit image as uint16, which Pillow may hold in 32 bits; values beyond 16 bit as float32."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        return values.astype(np.float32)
    return values.astype(np.uint16)
