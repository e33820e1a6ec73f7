"""GAN losses as pairs of functions of logits, and the gradient penalty; they know nothing of data or devices.

bce: non-saturating loss of Goodfellow et al. 2014; hinge: Lim & Ye 2017; relativistic: Jolicoeur-Martineau 2018 with
R1 + R2 as in R3GAN (Huang et al. 2025, arXiv 2501.05441).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

LossName = Literal["bce", "hinge", "relativistic"]


def discriminator_loss(name: LossName, real: Tensor, fake: Tensor, count: int | None = None) -> Tensor:
    """The loss D minimises, from its logits `(N,)` of real and fake images with the same labels; see `mean`."""
    if name == "bce":
        return mean(softplus(-real), count) + mean(softplus(fake), count)
    if name == "hinge":
        return mean(relu(1 - real), count) + mean(relu(1 + fake), count)
    return mean(softplus(fake - real), count)


def generator_loss(name: LossName, real: Tensor, fake: Tensor, count: int | None = None) -> Tensor:
    """The loss G minimises, from D's logits `(N,)`; only the relativistic one looks at `real`; see `mean`."""
    if name == "bce":
        return mean(softplus(-fake), count)
    if name == "hinge":
        return -mean(fake, count)
    return mean(softplus(real - fake), count)


def gradient_penalty(logits: Tensor, images: Tensor, count: int | None = None) -> Tensor:
    """R1 on real or R2 on fake images: half the mean squared gradient of D (Mescheder et al. 2018, eq. 9)."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return mean(gradient.square().sum(dim=(1, 2, 3)), count) / 2


def mean(values: Tensor, count: int | None = None) -> Tensor:
    """The mean of `values` `(N,)`, or their part in the mean of `count` values of which these are a rank's share."""
    return values.sum() / (len(values) if count is None else count)
