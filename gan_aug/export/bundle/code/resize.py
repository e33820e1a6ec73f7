"""The network of a generator that enlarges by repeating pixels and convolution, with a last layer at full size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from .layers import ConditionalBatchNorm, first_level

SPREAD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""Row t: which of the 3 weights of a convolution of repeated pixels make up weight t of 4 of the transposed one."""


class Generator(nn.Module):
    """Makes images `(N, C, H, W) float32` in [-1, 1] from noise and labels side by side, `(N, latent + K) float32`.

    Args:
        latent: Dimensions of the noise.
        classes: The number of labels, K.
        shape: Of an image, (C, H, W).
        sizes: Of the levels, coarsest first, the image's last: (height, width).
        channels: Of the levels.
        as_first: Whether sums round in the order of version 0.1 of gan-aug, which trained it.
    """

    spread: Tensor

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
        self.latent, self.classes, self.shape = latent, classes, tuple(shape)
        self._sizes = [(height, width) for height, width in sizes]
        height, width = self._sizes[0]
        self.project = nn.Linear(latent + classes, channels[0] * height * width, bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, classes, as_first) for c in channels)
        self.ups = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in pairwise(channels))
        self.to_image = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        self.register_buffer("spread", torch.tensor(SPREAD), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Make one image per row of `x`."""
        labels = x[:, self.latent :]
        h = first_level(self.project, x, self._sizes[0])
        for norm, up, size in zip(self.norms[:-1], self.ups, self._sizes[1:], strict=True):
            h = self._doubled(norm(h, labels), up, size)
        return torch.tanh(self.to_image(self.norms[-1](h, labels)))

    def _doubled(self, x: Tensor, up: Any, size: tuple[int, int]) -> Tensor:
        """Enlarge `x` to `size`, twice its own or one less on a side: each pixel twice, then the 3x3 convolution."""
        wide = torch.einsum("ti,ocij,sj->cots", self.spread, up.weight, self.spread)
        y = nn.functional.conv_transpose2d(x, wide, up.bias, stride=2, padding=1)
        return y[:, :, : size[0], : size[1]]
