"""What the audit sees of an image: grey, at most 64 pixels a side, without brightness and contrast; and its variants.

A copy may be shifted, mirrored, rotated or scaled. A variant undoes one such change. It is linear in the pixels, so it
is a sparse matrix V, and the features F of a variant of an image x are `F V x = (Vᵀ Fᵀ)ᵀ x`. So one warps the basis of
the features once for each variant, and no image at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

SIDE = 64
"""Larger images are averaged down to this many pixels on their longer side."""

BATCH = 2048
FLAT = 1e-3
"""The least contrast that is divided by, in grey values from 0 to 1: a blank image has none."""

SHIFTS = (-3 / 64, -1.5 / 64, 0.0, 1.5 / 64, 3 / 64)
"""Shifts along either axis, as shares of the image's side."""
ROTATIONS = (-10.0, -7.5, -5.0, -2.5, 2.5, 5.0, 7.5, 10.0)
"""In degrees."""
SCALES = (0.87, 0.91, 0.95, 1.05, 1.1, 1.15)
TURNED_AND_SCALED = ((-4.0, 0.95), (4.0, 0.95), (0.0, 1.2))


@dataclass(frozen=True)
class Variant:
    """One way of looking at an image: mirrored or not, rotated by degrees, scaled, and shifted by shares of a side."""

    mirrored: bool = False
    upside_down: bool = False
    degrees: float = 0.0
    scale: float = 1.0
    down: float = 0.0
    right: float = 0.0

    def of(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The variant of images `(N, C, H, W) uint8`, at their own size."""
        matrix = warp(self, (images.shape[2], images.shape[3]))
        made = (matrix @ images.reshape(-1, matrix.shape[0]).T.astype(np.float64)).T
        rounded: npt.NDArray[np.uint8] = np.rint(made).astype(np.uint8).reshape(images.shape)
        return rounded


def variants(flips: tuple[str, ...] = ()) -> list[Variant]:
    """The variants that images are compared in: 84, or twice as many if upside down is harmless too.

    `flips` are those of the manifest. Mirror images are always looked at: training may have seen them.
    """
    poses = [Variant(down=down, right=right) for down in SHIFTS for right in SHIFTS]
    poses += [Variant(degrees=degrees) for degrees in ROTATIONS]
    poses += [Variant(scale=scale) for scale in SCALES]
    poses += [Variant(degrees=degrees, scale=scale) for degrees, scale in TURNED_AND_SCALED]
    sides = [(mirrored, over) for over in ((False, True) if "vertical" in flips else (False,)) for mirrored in (0, 1)]
    return [
        Variant(bool(mirrored), over, p.degrees, p.scale, p.down, p.right) for mirrored, over in sides for p in poses
    ]


def images_to_views(images: npt.NDArray[np.uint8]) -> Tensor:
    """Images `(N, C, H, W) uint8` as rows `(N, h w) float32` of mean 0 and standard deviation 1.

    They are grey (the mean of the channels) and averaged down to at most SIDE pixels a side, see `view_shape`.
    """
    height, width = view_shape(images.shape[2:])
    parts = []
    for first in range(0, len(images), BATCH):
        part = torch.from_numpy(np.ascontiguousarray(images[first : first + BATCH])).float().mean(1, keepdim=True)
        part = part / 255
        if (height, width) != images.shape[2:]:
            part = torch.nn.functional.adaptive_avg_pool2d(part, (height, width))
        rows = part.reshape(len(part), -1)
        rows = rows - rows.mean(1, keepdim=True)
        parts.append(rows / rows.std(1, correction=0, keepdim=True).clamp_min(FLAT))
    return torch.cat(parts) if parts else torch.empty(0, height * width)


def view_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The height and width of the views of images of height and width `shape`."""
    height, width = shape
    step = max(1.0, max(height, width) / SIDE)
    return max(1, round(height / step)), max(1, round(width / step))


def warp(variant: Variant, shape: tuple[int, int]) -> sparse.csr_array:
    """The matrix `(h w, h w)` that makes the variant of a view, by bilinear interpolation; borders are continued."""
    height, width = shape
    down, right = np.mgrid[:height, :width].astype(np.float64)
    centre = (height - 1) / 2, (width - 1) / 2
    turned = math.radians(variant.degrees)
    y = (down - centre[0] - variant.down * height) / variant.scale
    x = (right - centre[1] - variant.right * width) / variant.scale
    y, x = math.cos(turned) * y - math.sin(turned) * x, math.sin(turned) * y + math.cos(turned) * x
    x, y = (-x if variant.mirrored else x), (-y if variant.upside_down else y)
    y, x = (y + centre[0]).clip(0, height - 1).ravel(), (x + centre[1]).clip(0, width - 1).ravel()
    top, left = np.minimum(y.astype(int), max(height - 2, 0)), np.minimum(x.astype(int), max(width - 2, 0))
    below, beside = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    part_y, part_x = y - top, x - left
    corners = [
        (top, left, (1 - part_y) * (1 - part_x)),
        (top, beside, (1 - part_y) * part_x),
        (below, left, part_y * (1 - part_x)),
        (below, beside, part_y * part_x),
    ]
    rows = np.tile(np.arange(height * width), 4)
    columns = np.concatenate([up * width + over for up, over, _ in corners])
    weights = np.concatenate([weight for _, _, weight in corners])
    return sparse.csr_array((weights, (rows, columns)), shape=(height * width, height * width))
