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


def discriminator_loss(name: LossName, real: Tensor, fake: Tensor) -> Tensor:
    """The loss D minimises, from its logits `(N,)` of real and fake images with the same labels."""
    if name == "bce":
        return softplus(-real).mean() + softplus(fake).mean()
    if name == "hinge":
        return relu(1 - real).mean() + relu(1 + fake).mean()
    return softplus(fake - real).mean()


def generator_loss(name: LossName, real: Tensor, fake: Tensor) -> Tensor:
    """The loss G minimises, from D's logits `(N,)`; only the relativistic one looks at `real`."""
    if name == "bce":
        return softplus(-fake).mean()
    if name == "hinge":
        return -fake.mean()
    return softplus(real - fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1 on real or R2 on fake images: half the mean squared gradient of D (Mescheder et al. 2018, eq. 9)."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2
