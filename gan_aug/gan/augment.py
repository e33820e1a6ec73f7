"""Differentiable augmentation of the images in both losses, so that D does not overfit a small data set.

After Zhao et al. 2020 (DiffAugment, arXiv 2006.10738) and, for the probability, Karras et al. 2020 (ADA, arXiv
2006.06676). Each image has its own uniform random numbers, so its result does not depend on the other images of the
batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

AugmentName = Literal["translation", "cutout", "brightness", "contrast", "affine", "flip"]
"""`flip` mirrors left and right: only for images whose label this does not change."""

UNIFORMS = 6
"""How many uniform numbers in [0, 1) one image needs for translation, cutout, brightness and contrast at full strength.

All other cases need MORE numbers, which are drawn after these: so these four give what they always gave."""

_FLIP, _ZOOM, _ANGLE = range(UNIFORMS, UNIFORMS + 3)
_GATES: dict[AugmentName, int] = {
    "translation": UNIFORMS + 3,
    "cutout": UNIFORMS + 4,
    "brightness": UNIFORMS + 5,
    "contrast": UNIFORMS + 6,
    "affine": UNIFORMS + 7,
    "flip": UNIFORMS + 8,
}
"""The column of each augmentation's own number: below p, the image is augmented."""

MORE = 3 + len(_GATES)

SHIFT = 1 / 8
"""The largest translation, as a share of each side."""
CUT = 1 / 2
"""The sides of the cut-out box, as a share of the image's sides."""
ZOOM = 1.2
"""The largest factor of the zoom, in or out."""
ANGLE = 10.0
"""The largest rotation, in degrees either way."""


def uniforms_needed(names: tuple[AugmentName, ...], adaptive: bool) -> int:
    """How many uniform numbers an image needs for these augmentations, with a probability if `adaptive`."""
    if not names:
        return 0
    return UNIFORMS + (MORE if adaptive or {"affine", "flip"} & set(names) else 0)


def augment(
    images: Tensor, uniforms: Tensor, names: tuple[AugmentName, ...], p: float | Tensor | None = None
) -> Tensor:
    """Augment a batch of images; differentiable in the images.

    Args:
        images: `(N, C, H, W) float32` in [-1, 1].
        uniforms: `(N, uniforms_needed) float32` in [0, 1), one row per image.
        names: The augmentations, applied in this order.
        p: The probability in [0, 1] with which each augmentation is applied to an image, independently of the other
            ones; None applies all of them. At 0 the images stay as they are.

    Returns:
        The augmented images, `(N, C, H, W) float32`; brightness and contrast may leave [-1, 1].
    """
    if not isinstance(p, Tensor) and p == 0:
        return images
    for name in names:
        changed = _AUGMENTATIONS[name](images, uniforms)
        if p is not None:
            changed = torch.where((uniforms[:, _GATES[name]] < p)[:, None, None, None], changed, images)
        images = changed
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


def _affine(images: Tensor, uniforms: Tensor) -> Tensor:
    """Rotate by up to ANGLE and zoom by a factor up to ZOOM, about the centre; what is uncovered mirrors the image."""
    _, _, height, width = images.shape
    angle = (2 * uniforms[:, _ANGLE] - 1) * math.radians(ANGLE)
    scale = torch.exp((2 * uniforms[:, _ZOOM] - 1) * math.log(ZOOM))
    cosine, sine, none = torch.cos(angle) * scale, torch.sin(angle) * scale, torch.zeros_like(angle)
    # In coordinates from -1 to 1 along each side, a rotation of an image that is not square is no rotation.
    aspect = width / height
    rows = (torch.stack([cosine, -sine / aspect, none], dim=1), torch.stack([sine * aspect, cosine, none], dim=1))
    grid = affine_grid(torch.stack(rows, dim=1).to(images.dtype), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _flip(images: Tensor, uniforms: Tensor) -> Tensor:
    """Mirror left and right in every second image, at random."""
    return torch.where((uniforms[:, _FLIP] < 0.5)[:, None, None, None], images.flip(3), images)


_AUGMENTATIONS: dict[AugmentName, Callable[[Tensor, Tensor], Tensor]] = {
    "translation": _translation,
    "cutout": _cutout,
    "brightness": _brightness,
    "contrast": _contrast,
    "affine": _affine,
    "flip": _flip,
}
