"""Stored images as PNG files; those of synthetic images say so in the file itself."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

GAP = 2
"""Pixels between the images of a grid."""

SMALLEST_SIDE = 56
"""Pixels that the shorter side of an image in a grid has at least."""

BACKGROUND = 255

SYNTHETIC = "synthetic image, made by a generative model: no recording of a patient"
"""The description in the PNG file of a synthetic image."""

FACTS = "gan-aug"
"""The keyword of the text in a PNG file that says, as JSON, what a synthetic image was made from."""


def png(image: npt.NDArray[np.uint8], factor: int = 1, made_from: Mapping[str, Any] | None = None) -> bytes:
    """A PNG file of one image.

    Args:
        image: `(C, H, W) uint8`, grey or RGB.
        factor: How many times it is enlarged, without smoothing.
        made_from: Of a synthetic image, what it was made from, as JSON values; see `synthetic_mark`.

    Returns:
        The bytes of the file.
    """
    from PIL import Image

    picture = Image.fromarray(image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=None if made_from is None else synthetic_mark(made_from))
    return buffer.getvalue()


def synthetic_mark(made_from: Mapping[str, Any]) -> PngInfo:
    """The texts in a PNG file that mark it as synthetic: a description for people, and as JSON what it was made from.

    Never a hash of a training image.
    """
    from PIL.PngImagePlugin import PngInfo

    mark = PngInfo()
    mark.add_text("Description", SYNTHETIC)
    mark.add_text("Software", "gan-aug")
    mark.add_itxt(FACTS, json.dumps({"synthetic": True, **made_from}, ensure_ascii=False))
    return mark


def png_grid(rows: list[npt.NDArray[np.uint8]], made_from: Mapping[str, Any] | None = None) -> bytes:
    """A PNG file with one row of images for each array `(n, C, H, W) uint8`; small images are enlarged.

    `made_from` is as for `png`.
    """
    channels, height, width = rows[0].shape[1:]
    columns = max(len(row) for row in rows)
    size = (channels, len(rows) * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    canvas = np.full(size, BACKGROUND, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            top, left = GAP + r * (height + GAP), GAP + c * (width + GAP)
            canvas[:, top : top + height, left : left + width] = image
    return png(canvas, max(1, -(-SMALLEST_SIDE // min(height, width))), made_from)
