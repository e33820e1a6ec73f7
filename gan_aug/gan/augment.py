"""Differentiable augmentation of what both losses see, so that a small data set does not overfit the discriminator.

After Zhao et al. 2020 (DiffAugment, arXiv 2006.10738). Every image brings its own uniform numbers, so that the result
does not depend on who shares its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

AugmentName = Literal["translation", "cutout", "brightness", "contrast"]
UNIFORMS = 6
"""How many uniform numbers in [0, 1) one image needs."""

SHIFT = 1 / 8
CUT = 1 / 2


def augment(images: Tensor, uniforms: Tensor, names: tuple[AugmentName, ...]) -> Tensor:
    """Augment images `(N, C, H, W)` in [-1, 1] by `uniforms` `(N, UNIFORMS)`; differentiable in the images."""
    for name in names:
        images = _AUGMENTATIONS[name](images, uniforms)
    return images


def _translation(images: Tensor, uniforms: Tensor) -> Tensor:
    """Shift by up to an eighth of each side, in whole pixels; black (-1) comes in."""
    _, _, height, width = images.shape
    reach = [max(1, round(side * SHIFT)) for side in (height, width)]
    shift = [torch.floor(uniforms[:, i] * (2 * reach[i] + 1)).long() for i in (0, 1)]
    padded = pad(images, (reach[1], reach[1], reach[0], reach[0]), value=-1.0)
    rows = torch.arange(height, device=images.device)[None, :] + shift[0][:, None]
    columns = torch.arange(width, device=images.device)[None, :] + shift[1][:, None]
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cutout(images: Tensor, uniforms: Tensor) -> Tensor:
    """Blank a box of half of each side to mid grey (0)."""
    _, _, height, width = images.shape
    masks = []
    for side, uniform in ((height, uniforms[:, 2]), (width, uniforms[:, 3])):
        cut = int(side * CUT)
        start = torch.floor(uniform * (side - cut + 1))[:, None]
        position = torch.arange(side, device=images.device)[None, :]
        masks.append((position >= start) & (position < start + cut))
    box = masks[0][:, None, :, None] & masks[1][:, None, None, :]
    return images.masked_fill(box, 0.0)


def _brightness(images: Tensor, uniforms: Tensor) -> Tensor:
    """Add up to a quarter of the range, either way."""
    return images + (uniforms[:, 4] - 0.5)[:, None, None, None]


def _contrast(images: Tensor, uniforms: Tensor) -> Tensor:
    """Scale about each image's mean by a half to one and a half."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (uniforms[:, 5] + 0.5)[:, None, None, None]


_AUGMENTATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "translation": _translation,
    "cutout": _cutout,
    "brightness": _brightness,
    "contrast": _contrast,
}
