"""Layers and initial weights that the networks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.parts import NormalisedStep
from gan_aug.gan.networks.thin import LastConvTranspose2d


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are linear in the labels, with what follows it.

    `as_first` is set if it must round as version 0.1 did. `at_once` is the most images of a training batch that are
    computed at once; None means all.
    """

    as_first = False
    at_once: int | None = None

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(classes, 2 * channels, bias=False)
        nn.init.zeros_(self.modulation.weight)

    def _modulated(self, normed: Tensor, labels: Tensor) -> Tensor:
        scale, shift = self.modulation(labels)[:, :, None, None].chunk(2, dim=1)
        if self.as_first:
            return torch.addcmul(normed + shift, normed, scale)
        return torch.addcmul(shift, normed, 1 + scale)

    def forward(
        self,
        x: Tensor,
        labels: Tensor,
        after: Callable[[Tensor, Tensor], Tensor],
        layers: Sequence[nn.Module],
        before: Callable[[Tensor], tuple[Tensor, Tensor]] = lambda x: (x, x),
    ) -> Tensor:
        """Normalise images, scale them by 1 + s(labels), shift them by b(labels), set what is negative to zero; go on.

        Args:
            x: `(N, C, H, W)`.
            labels: `(N, K)`.
            after: From the normalised images and the rest, for each image by itself.
            layers: Those with parameters that `after` uses.
            before: From `x` to what is normalised and the rest, without parameters; both are `x` by default.

        Returns:
            The result of `after`.
        """
        if self.at_once is None or not self.training:
            h, rest = before(x)
            return after(self._modulated(self.norm(h), labels).relu_(), rest)
        parameters = [parameter for layer in (self, *layers) for parameter in layer.parameters()]
        step = NormalisedStep(self.norm, before, self._normalise, after, parameters, self.at_once)
        return step(x, labels)

    def _normalise(self, h: Tensor, labels: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        slope = torch.rsqrt(variance + self.norm.eps)
        normed = (h - mean[:, None, None]) * slope[:, None, None]
        return self._modulated(normed, labels).relu_()


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
        spread = constant(SPREAD, self.weight.dtype, self.weight.device)
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
    between = constant(BETWEEN, x.dtype, x.device)
    weight = torch.outer(between, between).expand(x.shape[1], 1, 4, 4)
    y = nn.functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])
    return y[:, :, :height, :width]


@lru_cache(maxsize=64)
def constant(values: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of numbers that never change, made once for a device: to bring them there, the CPU waits for a GPU."""
    with torch.inference_mode(False):  # a tensor of inference mode could not be used in a training
        return torch.tensor(values, dtype=dtype, device=device)


def compute_in_parts(network: nn.Module, at_once: int | None) -> None:
    """Let `network` compute at most so many images of a training batch at once; None means all."""
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm):
            module.at_once = at_once


def round_as_first(network: nn.Module) -> None:
    """Let `network` round as version 0.1 did, whose checkpoints must go on making the same images."""
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm | LastConvTranspose2d):
            module.as_first = True


def orthogonal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, gain: float = 1.0) -> None:
    """Set orthogonal weights (Saxe et al. 2014, as in BigGAN) times `gain`, and zero biases."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
