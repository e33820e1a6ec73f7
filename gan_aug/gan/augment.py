"""Differentiable augmentation of the images in both losses, so that D does not overfit a small data set.

After Zhao et al. 2020 (DiffAugment, arXiv 2006.10738). Each image has its own uniform random numbers, so its result
does not depend on the other images of the batch.
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
"""The largest translation, as a share of each side."""
CUT = 1 / 2
"""The sides of the cut-out box, as a share of the image's sides."""


def augment(images: Tensor, uniforms: Tensor, names: tuple[AugmentName, ...]) -> Tensor:
    """Augment a batch of images; differentiable in the images.

    Args:
        images: `(N, C, H, W) float32` in [-1, 1].
        uniforms: `(N, UNIFORMS) float32` in [0, 1), one row per image.
        names: The augmentations, applied in this order.

    Returns:
        The augmented images, `(N, C, H, W) float32`; brightness and contrast may leave [-1, 1].
    """
    for name in names:
        images = _AUGMENTATIONS[name](images, uniforms)
    return images


def _translation(images: Tensor, uniforms: Tensor) -> Tensor:
    """Shift by up to an eighth of each side, in whole pixels; uncovered pixels become black (-1)."""
    _, _, height, width = images.shape
    most = [max(1, round(side * SHIFT)) for side in (height, width)]
    shift = [torch.floor(uniforms[:, i] * (2 * most[i] + 1)).long() for i in (0, 1)]
    padded = pad(images, (most[1], most[1], most[0], most[0]), value=-1.0)
    rows = torch.arange(height, device=images.device)[None, :] + shift[0][:, None]
    columns = torch.arange(width, device=images.device)[None, :] + shift[1][:, None]
    index = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cutout(images: Tensor, uniforms: Tensor) -> Tensor:
    """Set a box with half the image's height and width to mid grey (0)."""
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
    """Add one number from [-0.5, 0.5) to each image: up to a quarter of the range, either way."""
    return images + (uniforms[:, 4] - 0.5)[:, None, None, None]


def _contrast(images: Tensor, uniforms: Tensor) -> Tensor:
    """Scale each image's differences from its own mean by a factor from [0.5, 1.5)."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (uniforms[:, 5] + 0.5)[:, None, None, None]


_AUGMENTATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "translation": _translation,
    "cutout": _cutout,
    "brightness": _brightness,
    "contrast": _contrast,
}
