"""Layers and initial weights that the networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are linear in the labels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(classes, 2 * channels, bias=False)
        nn.init.zeros_(self.modulation.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Normalise `x` `(N, C, H, W)`, then scale by 1 + s(labels) and shift by b(labels)."""
        scale, shift = self.modulation(labels)[:, :, None, None].chunk(2, dim=1)
        normed: Tensor = self.norm(x)
        return torch.addcmul(normed + shift, normed, scale)


def orthogonal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Set orthogonal weights (Saxe et al. 2014, as in BigGAN) and zero biases."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
