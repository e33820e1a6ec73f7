"""A generator that enlarges by resizing and convolution instead of transposed convolutions.

These leave a checkerboard of twice their stride, above all where the last of them makes the image itself (Odena et al.
2016, "Deconvolution and checkerboard artifacts"). Here every enlargement repeats pixels and then convolves, and a last
convolution works at the image's own size.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.base import Generator
from gan_aug.gan.networks.layers import ConditionalBatchNorm, DoublingConv2d, orthogonal
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.networks.sizes import Size, channels_of, full_channels


class ResizeGenerator(Generator):
    """Doubles a small image for each level, then convolves it once more at full size.

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
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, settings.classes) for c in channels)
        self.ups = nn.ModuleList(DoublingConv2d(a, b) for a, b in pairwise(channels))
        self.to_image = nn.Conv2d(channels[-1], settings.shape[0], 3, padding=1)
        orthogonal(self.project)
        orthogonal(self.to_image)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Make one image per row of `noise` and `labels`."""
        x: Tensor = self.project(torch.cat([noise, labels], dim=1))
        x = torch.unflatten(x, 1, (-1, *self._sizes[0])).contiguous(memory_format=torch.channels_last)
        for norm, up, size in zip(self.norms[:-1], self.ups, self._sizes[1:], strict=True):
            x = norm(x, labels, lambda h, _, up=up, size=size: up(h, size), [up])
        return torch.tanh(self.norms[-1](x, labels, lambda h, _: self.to_image(h), [self.to_image]))
