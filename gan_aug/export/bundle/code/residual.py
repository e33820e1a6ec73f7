"""The network of a generator of residual blocks with bilinear enlargements, and an output beside each level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .layers import ConditionalBatchNorm, first_level

BETWEEN = (0.25, 0.75, 0.75, 0.25)
"""What a pixel gives to the 4 nearest of twice as many pixels, by linear interpolation."""


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

    between: Tensor

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
        self.blocks = nn.ModuleList(_Block(a, b, classes, as_first) for a, b in pairwise(channels))
        self.outputs = nn.ModuleList(nn.Conv2d(c, shape[0], 1) for c in channels[:-1])
        self.norm = ConditionalBatchNorm(channels[-1], classes, as_first)
        self.to_image = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        between = torch.tensor(BETWEEN)
        self.register_buffer("between", torch.outer(between, between), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Make one image per row of `x`."""
        labels = x[:, self.latent :]
        h = first_level(self.project, x, self._sizes[0])
        image: Tensor | None = None
        for block, output, size in zip(self.blocks, self.outputs, self._sizes[1:], strict=True):
            shown = output(h)
            image = bilinear(shown if image is None else image + shown, self.between, size)
            h = block(h, labels, self.between, size)
        shown = self.to_image(self.norm(h, labels))
        return torch.tanh(shown if image is None else image + shown)


class _Block(nn.Module):
    """Doubles its input and adds to it what two convolutions make of it, one before the enlargement and one after."""

    def __init__(self, channels: int, out: int, classes: int, as_first: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, classes, as_first) for c in (channels, out))
        self.before = nn.Conv2d(channels, out, 3, padding=1)
        self.after = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: Tensor, labels: Tensor, between: Tensor, size: tuple[int, int]) -> Tensor:
        first, second = self.norms
        both = torch.cat([self.before(first(x, labels)), self.skip(x)], dim=1)
        made, kept = bilinear(both, between, size).chunk(2, dim=1)
        added: Tensor = self.after(second(made, labels))
        return kept + added


def bilinear(x: Tensor, between: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge `x` to `size`, twice its own or one less on a side, with linear interpolation; zero beyond its edges."""
    weight = between.expand(x.shape[1], 1, 4, 4)
    y = nn.functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])
    return y[:, :, : size[0], : size[1]]
