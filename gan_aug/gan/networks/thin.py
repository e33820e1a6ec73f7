"""The 4x4 convolutions with stride 2 at the image's end of both networks, in forms that suit one channel.

oneDNN is slow if a transposed convolution has one output channel: that is the last layer of a DCGAN's generator, and
the gradient with respect to the image in the discriminator's first layer. The same sums are a 3x3 convolution that
makes the four pixels of each 2x2 square as four channels. It adds products with zero, and rounds in another order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TAPS = (
    ((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)),
    ((0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
    ((0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)),
)
"""Entry (t, s): which of the 4 weights of the transposed convolution is weight t of 3 for the first or second pixel."""


class FirstConv2d(nn.Conv2d):
    """The discriminator's first layer: `Conv2d(channels, out, 4, stride=2, padding=1)`."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Halve `x` `(N, C, H, W)`."""
        result: Tensor = _Down.apply(x, self.weight, self.bias) if _is_thin(x, self.in_channels) else super().forward(x)
        return result


class LastConvTranspose2d(nn.ConvTranspose2d):
    """The generator's last layer: `ConvTranspose2d(channels, out, 4, stride=2, padding=1)`.

    `as_first` is set if it must round as version 0.1 did.
    """

    as_first = False

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Double `x` `(N, C, H, W)`."""
        if self.as_first or not _is_thin(x, self.out_channels):
            return super().forward(x, output_size)
        result: Tensor = _Up.apply(x, self.weight, self.bias)
        return result


def _is_thin(x: Tensor, channels: int) -> bool:
    return channels == 1 and x.device.type == "cpu"


def _doubled(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The transposed convolution of `x` `(N, C, H, W)` with `weight` `(C, D, 4, 4)`."""
    taps = weight.new_tensor(TAPS)
    wide = torch.einsum("asi,btj,cdij->dstcab", taps, taps, weight).flatten(0, 2)
    wide = wide.contiguous(memory_format=torch.channels_last)
    squares = nn.functional.conv2d(x, wide, None if bias is None else bias.repeat_interleave(4), padding=1)
    n, _, height, width = squares.shape
    channels = weight.shape[1]
    pixels = squares.permute(0, 2, 3, 1).reshape(n, height, width, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return pixels.reshape(n, channels, 2 * height, 2 * width)


def _gradients(up: bool, gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, ...]:
    """The gradients with respect to x, weight and bias as PyTorch computes them; differentiable."""
    size = [weight.shape[up]]
    result: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, x, weight, size, [2, 2], [1, 1], [1, 1], up, [0, 0], 1, wanted
    )
    return result


class _Up(torch.autograd.Function):
    """The transposed convolution; its gradients are PyTorch's own, which are fast."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _doubled(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return _gradients(True, gradients[0], x, weight, list(ctx.needs_input_grad))


class _Down(torch.autograd.Function):
    """The convolution; its gradient with respect to the image is a transposed convolution."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return nn.functional.conv2d(x, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        of_x, *of_rest = ctx.needs_input_grad
        _, for_weight, for_bias = _gradients(False, gradients[0], x, weight, [False, *of_rest])
        return _Up.apply(gradients[0], weight, None) if of_x else None, for_weight, for_bias
