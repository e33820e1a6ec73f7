"""Stored images as PNG files."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

GAP = 2
"""Pixels between the images of a grid."""

SMALLEST_SIDE = 56
"""Pixels that the shorter side of an image in a grid has at least."""

BACKGROUND = 255


def png(image: npt.NDArray[np.uint8], factor: int = 1) -> bytes:
    """A PNG file of one image `(C, H, W) uint8`, grey or RGB, enlarged `factor` times without smoothing."""
    from PIL import Image

    picture = Image.fromarray(image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def png_grid(rows: list[npt.NDArray[np.uint8]]) -> bytes:
    """A PNG file with one row of images for each array `(n, C, H, W) uint8`; small images are enlarged."""
    channels, height, width = rows[0].shape[1:]
    columns = max(len(row) for row in rows)
    size = (channels, len(rows) * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    canvas = np.full(size, BACKGROUND, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            top, left = GAP + r * (height + GAP), GAP + c * (width + GAP)
            canvas[:, top : top + height, left : left + width] = image
    return png(canvas, factor=max(1, -(-SMALLEST_SIDE // min(height, width))))
