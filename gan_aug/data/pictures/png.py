"""Stored images as PNG files: the one writer of all of them. Those of synthetic images say so in the file itself."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures.marks import png_chunk, png_mark

GAP = 2
"""Pixels between the images of a grid."""

SMALLEST_SIDE = 56
"""Pixels that the shorter side of an image in a grid has at least."""

BACKGROUND = 255

_SIGNATURE, _END = b"\x89PNG\r\n\x1a\n", png_chunk(b"IEND", b"")
_COLOUR_TYPE = {1: 0, 3: 2}
"""How the header of a PNG file names grey and RGB, by the number of channels."""

_UP = 2
"""The filter of every row: each byte less the one above it (PNG, section 9)."""


def png(image: npt.NDArray[np.uint8], factor: int = 1, made_from: Mapping[str, Any] | None = None) -> bytes:
    """A PNG file of one image; equal images give equal bytes with one version of zlib.

    It is written here and not by Pillow because a set has many small files: this takes less than half the time.

    Args:
        image: `(C, H, W) uint8`, grey or RGB.
        factor: How many times it is enlarged, without smoothing.
        made_from: Of a synthetic image, what it was made from, as JSON values; see `marks.png_mark`. None for an image
            that is not synthetic, which gets no mark.

    Returns:
        The bytes of the file.
    """
    if factor > 1:
        image = image.repeat(factor, axis=1).repeat(factor, axis=2)
    channels, height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    mark = b"" if made_from is None else png_mark(made_from)
    pixels = png_chunk(b"IDAT", _packed(image))
    return b"".join([_SIGNATURE, png_chunk(b"IHDR", header), mark, pixels, _END])


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


def _packed(image: npt.NDArray[np.uint8]) -> bytes:
    """The pixels of `(C, H, W) uint8`, filtered and compressed.

    Run lengths and Huffman codes alone: zlib's search makes filtered films no smaller, and takes longer.
    """
    channels, height, width = image.shape
    rows = image[0] if channels == 1 else image.transpose(1, 2, 0).reshape(height, width * channels)
    filtered = np.empty((height, rows.shape[1] + 1), dtype=np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(filtered.data) + packer.flush()
