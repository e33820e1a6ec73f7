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


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge `x` `(N, C, h, w)` to `size`, (H, W), twice its own or one less on a side, with linear interpolation.

    It is made of sums whose gradients have one order on every device; that of `nn.functional.interpolate` has not.
    """
    y = x.permute(0, 2, 3, 1)  # contiguous if x is channels-last
    for dim, length in ((1, size[0]), (2, size[1])):
        y = _doubled(y, dim).narrow(dim, 0, length)
    return y.permute(0, 3, 1, 2)


def _doubled(x: Tensor, dim: int) -> Tensor:
    """`x` with twice as many values along `dim`, each 3/4 its own and 1/4 of the neighbour's that is nearer."""
    length = x.shape[dim]
    before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, length - 1)], dim)
    after = torch.cat([x.narrow(dim, 1, length - 1), x.narrow(dim, length - 1, 1)], dim)
    return torch.stack([torch.lerp(x, before, 0.25), torch.lerp(x, after, 0.25)], dim + 1).flatten(dim, dim + 1)


def orthogonal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Set orthogonal weights (Saxe et al. 2014, as in BigGAN) and zero biases."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
