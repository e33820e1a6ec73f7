"""Decoding PNG, JPEG, TIFF and BMP files; whatever is wrong with one is a reason, never a crash."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan_aug.data.items import Pixels
from gan_aug.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")

_TORN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    AttributeError, RuntimeError,
)  # fmt: skip
"""What Pillow's parsers raise on files that are cut short or altered."""


def decode(path: Path) -> Pixels:
    """The upright image in `path`: grey `(H, W)` of uint8 or uint16, or colour `(H, W, 3) uint8`.

    Palettes are expanded, alpha is dropped, the camera's orientation is applied. Raises DataError with the reason,
    which names no path.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        with warnings.catch_warnings():
            # Pillow warns of odd but harmless tags; of bombs we want to hear as errors.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _pixels(image)
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except PermissionError as error:
        raise DataError("permission to read the file is denied") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise DataError("the image has too many pixels to be opened safely") from error
    except UnidentifiedImageError as error:
        raise DataError("not an image that can be decoded") from error
    except _TORN as error:
        raise DataError("the image file is truncated or corrupt") from error


def _pixels(image: Image.Image) -> Pixels:
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        raise DataError("the file holds several pages, not one image")
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return _deep(upright)
    if upright.mode == "F":
        raise DataError("its pixels are floating-point numbers, not 8 or 16 bit whole numbers")
    if upright.mode in ("1", "L", "LA", "La"):
        return np.asarray(upright.convert("L"))
    if upright.mode == "P":
        upright = upright.convert("RGBA")  # straight to RGB trips over palettes with transparency
    return np.asarray(upright.convert("RGB"))


def _deep(image: Image.Image) -> Pixels:
    """A 16-bit image, which Pillow may hold in 32 bits, as uint16."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise DataError("its pixels are 32 bit numbers, not 8 or 16 bit")
    return values.astype(np.uint16)
