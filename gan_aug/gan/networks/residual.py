"""A generator of residual blocks with smooth enlargements, for large images.

Every block adds to what the one before it made (He et al. 2016), and every level adds to an image that is enlarged from
level to level (Karras et al. 2020, arXiv 1912.04958, figure 7: output skips). Enlargements are bilinear, so that coarse
levels make no grid in the fine ones.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.base import Generator
from gan_aug.gan.networks.layers import ConditionalBatchNorm, bilinear, orthogonal
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.networks.sizes import Size, channels_of, full_channels

OUTPUTS = 0.2
"""What the outputs beside the blocks begin with, of orthogonal weights. All of them add up before one tanh, and nothing
normalises what they see: with 1 a third of an untrained image's pixels were at its ends, where G has no gradient."""


class ResidualGenerator(Generator):
    """Doubles a small image by one residual block for each level, and an output beside it.

    Args:
        settings: What both networks are built from.
        sizes: Of the levels, finest first; each is at most twice the next one.
    """

    def __init__(self, settings: NetworkSettings, sizes: list[Size]) -> None:
        super().__init__(settings)
        self._sizes = sizes[::-1]
        channels = [*reversed(channels_of(settings.width, sizes)), full_channels(settings.width)]
        height, width = sizes[-1]
        self.project = nn.Linear(settings.latent + settings.classes, channels[0] * height * width, bias=False)
        self.blocks = nn.ModuleList(_Block(a, b, settings.classes) for a, b in pairwise(channels))
        outputs = [nn.Conv2d(c, settings.shape[0], 1) for c in channels[:-1]]
        self.outputs = nn.ModuleList(outputs)
        self.norm = ConditionalBatchNorm(channels[-1], settings.classes)
        self.to_image = nn.Conv2d(channels[-1], settings.shape[0], 3, padding=1)
        for layer in (self.project, self.to_image):
            orthogonal(layer)
        for output in outputs:
            orthogonal(output, OUTPUTS)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Make one image per row of `noise` and `labels`."""
        x: Tensor = self.project(torch.cat([noise, labels], dim=1))
        x = torch.unflatten(x, 1, (-1, *self._sizes[0])).contiguous(memory_format=torch.channels_last)
        image: Tensor | None = None
        for block, output, size in zip(self.blocks, self.outputs, self._sizes[1:], strict=True):
            shown = output(x)
            image = bilinear(shown if image is None else image + shown, size)
            x = block(x, labels, size)
        shown = self.norm(x, labels, lambda h, _: self.to_image(h), [self.to_image])
        return torch.tanh(shown if image is None else image + shown)


class _Block(nn.Module):
    """Doubles its input and adds to it what two convolutions make of it, one before the enlargement and one after."""

    def __init__(self, channels: int, out: int, classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, classes) for c in (channels, out))
        self.before = nn.Conv2d(channels, out, 3, padding=1)
        self.after = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(channels, out, 1, bias=False)
        for layer in (self.before, self.after, self.skip):
            orthogonal(layer)

    def forward(self, x: Tensor, labels: Tensor, size: Size) -> Tensor:
        first, second = self.norms
        both = first(x, labels, self._narrowed, [self.before, self.skip])
        added: Tensor = second(both, labels, self._added, [self.after], lambda y: self._enlarged(y, size))
        return added

    def _narrowed(self, h: Tensor, x: Tensor) -> Tensor:
        return torch.cat([self.before(h), self.skip(x)], dim=1)

    def _enlarged(self, both: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        made, kept = bilinear(both, size).chunk(2, dim=1)
        return made, kept

    def _added(self, h: Tensor, kept: Tensor) -> Tensor:
        added: Tensor = self.after(h)
        return kept + added
