"""The GAN losses as functions of D's logits, and the gradient penalty.

- `bce`: the non-saturating loss of Goodfellow et al. 2014.
- `hinge`: Lim & Ye 2017.
- `relativistic`: Jolicoeur-Martineau 2018, used with R1 + R2 as in R3GAN (Huang et al. 2025, arXiv 2501.05441).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

LossName = Literal["bce", "hinge", "relativistic"]


def discriminator_loss(name: LossName, real: Tensor, fake: Tensor, count: int | None = None) -> Tensor:
    """The loss that D minimises.

    Args:
        name: Which loss.
        real: D's logits of real images, `(N,)`.
        fake: D's logits of fake images with the same labels, `(N,)`.
        count: The number of images on all ranks; see `mean`.

    Returns:
        A scalar, or this rank's part of it.
    """
    if name == "bce":
        return mean(softplus(-real), count) + mean(softplus(fake), count)
    if name == "hinge":
        return mean(relu(1 - real), count) + mean(relu(1 + fake), count)
    return mean(softplus(fake - real), count)


def generator_loss(name: LossName, real: Tensor, fake: Tensor, count: int | None = None) -> Tensor:
    """The loss that G minimises.

    Args:
        name: Which loss.
        real: D's logits of real images, `(N,)`; only the relativistic loss uses them.
        fake: D's logits of fake images with the same labels, `(N,)`.
        count: The number of images on all ranks; see `mean`.

    Returns:
        A scalar, or this rank's part of it.
    """
    if name == "bce":
        return mean(softplus(-fake), count)
    if name == "hinge":
        return -mean(fake, count)
    return mean(softplus(real - fake), count)


def gradient_penalty(logits: Tensor, images: Tensor, count: int | None = None) -> Tensor:
    """R1 on real images or R2 on fake ones: half the mean squared gradient norm of D (Mescheder et al. 2018, eq. 9).

    Args:
        logits: D's logits of `images`, `(N,)`, with their graph.
        images: `(N, C, H, W)`, with `requires_grad`.
        count: The number of images on all ranks; see `mean`.

    Returns:
        A scalar, or this rank's part of it; differentiable in D's parameters.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return mean(gradient.square().sum(dim=(1, 2, 3)), count) / 2


def mean(values: Tensor, count: int | None = None) -> Tensor:
    """The mean of `values` `(N,)`; with `count`, their sum divided by `count`.

    If `values` are one rank's share of `count` values, the sum of these results over the ranks is the mean of all.
    """
    return values.sum() / (len(values) if count is None else count)
