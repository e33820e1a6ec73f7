"""The network of a DCGAN's generator: transposed convolutions with conditional batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from .layers import ConditionalBatchNorm, first_level

TAPS = (
    ((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)),
    ((0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
    ((0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)),
)
"""Entry (t, s): which of the 4 weights of the transposed convolution is weight t of 3 for the first or second pixel."""


class Generator(nn.Module):
    """Makes images `(N, C, H, W) float32` in [-1, 1] from noise and labels side by side, `(N, latent + K) float32`.

    Args:
        latent: Dimensions of the noise.
        classes: The number of labels, K.
        shape: Of an image, (C, H, W).
        sizes: Of the levels, coarsest first, the image's last: (height, width).
        channels: Of the levels, but for the image's.
        as_first: Whether sums round in the order of version 0.1 of gan-aug, which trained it.
    """

    taps: Tensor

    def __init__(
        self,
        latent: int,
        classes: int,
        shape: Sequence[int],
        sizes: Sequence[Sequence[int]],
        channels: Sequence[int],
        as_first: bool = False,
    ) -> None:
        super().__init__()
        self.latent, self.classes, self.shape, self.as_first = latent, classes, tuple(shape), as_first
        height, width = sizes[0]
        self._coarsest = (height, width)
        self.project = nn.Linear(latent + classes, channels[0] * height * width, bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, classes, as_first) for c in channels)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise([*channels, shape[0]])
        )
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Make one image per row of `x`."""
        labels = x[:, self.latent :]
        h = first_level(self.project, x, self._coarsest)
        for norm, up in zip(self.norms[:-1], self.ups[:-1], strict=True):
            h = up(norm(h, labels))
        h = self.norms[-1](h, labels)
        thin = self.shape[0] == 1 and h.device.type == "cpu" and not self.as_first
        return torch.tanh(self._doubled(h) if thin else self.ups[-1](h))

    def _doubled(self, x: Tensor) -> Tensor:
        """The last transposed convolution as a 3x3 one that makes the four pixels of each 2x2 square as channels."""
        last: Any = self.ups[-1]
        wide = torch.einsum("asi,btj,cdij->dstcab", self.taps, self.taps, last.weight).flatten(0, 2)
        wide = wide.contiguous(memory_format=torch.channels_last)
        squares = nn.functional.conv2d(x, wide, last.bias.repeat_interleave(4), padding=1)
        n, _, height, width = squares.shape
        pixels = squares.permute(0, 2, 3, 1).reshape(n, height, width, 1, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return pixels.reshape(n, 1, 2 * height, 2 * width)
