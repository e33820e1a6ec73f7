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


class DoublingConv2d(nn.Module):
    """Doubles an image by repeating each pixel, then convolves it with 3x3 weights.

    Both are done at once, by a transposed convolution whose 4x4 weights are sums of the 3x3 ones: it takes 4 products
    for each pixel and channel instead of 9.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, out, 3)
        orthogonal(convolution)
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Enlarge `x` `(N, C, h, w)` to `size`, (H, W), twice its own or one less on a side."""
        height, width = size
        spread = self.weight.new_tensor(SPREAD)
        weight = torch.einsum("ti,ocij,sj->cots", spread, self.weight, spread)
        y = nn.functional.conv_transpose2d(x, weight, self.bias, stride=2, padding=1)
        return y[:, :, :height, :width]


SPREAD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""Row t: which of the 3 weights of a convolution of repeated pixels make up weight t of 4 of the transposed one."""


BETWEEN = (0.25, 0.75, 0.75, 0.25)
"""What a pixel gives to the 4 nearest of twice as many pixels, by linear interpolation."""


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge `x` `(N, C, h, w)` to `size`, (H, W), twice its own or one less on a side, with linear interpolation.

    It is zero beyond its edges, as in StyleGAN2. A transposed convolution of each channel for itself takes a third of
    the time of `nn.functional.interpolate`.
    """
    height, width = size
    between = x.new_tensor(BETWEEN)
    weight = torch.outer(between, between).expand(x.shape[1], 1, 4, 4)
    y = nn.functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])
    return y[:, :, :height, :width]


def orthogonal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Set orthogonal weights (Saxe et al. 2014, as in BigGAN) and zero biases."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
