"""Decode PNG, JPEG, TIFF and BMP files; a file that cannot be used gives a reason, never a crash."""

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

_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    AttributeError, RuntimeError,
)  # fmt: skip
"""What Pillow's parsers raise on files that are truncated or altered."""


def decode(path: Path) -> Pixels:
    """The image in the file `path`: grey `(H, W)` of uint8 or uint16, or colour `(H, W, 3) uint8`.

    Palettes are expanded, alpha is dropped and the EXIF orientation is applied. Raises DataError if it cannot be
    decoded; the message is the reason and names no path.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        with warnings.catch_warnings():
            # Pillow warns of unusual but harmless tags. Its warning of a decompression bomb must be an error.
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
    except _DAMAGED as error:
        raise DataError("the image file is truncated or corrupt") from error


def _pixels(image: Image.Image) -> Pixels:
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        raise DataError("the file holds several pages, not one image")
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return _to_uint16(upright)
    if upright.mode == "F":
        raise DataError("its pixels are floating-point numbers, not 8 or 16 bit whole numbers")
    if upright.mode in ("1", "L", "LA", "La"):
        return np.asarray(upright.convert("L"))
    if upright.mode == "P":
        upright = upright.convert("RGBA")  # converting straight to RGB fails for palettes with transparency
    return np.asarray(upright.convert("RGB"))


def _to_uint16(image: Image.Image) -> Pixels:
    """A 16-bit image as uint16; Pillow may hold it in 32 bits."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise DataError("its pixels are 32 bit numbers, not 8 or 16 bit")
    return values.astype(np.uint16)
