"""The generator of the class-conditional DCGAN: transposed convolutions with conditional batch norm.

After Radford et al. 2015 (arXiv 1511.06434) and de Vries et al. 2017 (conditional batch norm). Labels are
`(N, K) float32` of zeros and ones, so the same code serves one class, one class of many, and several labels at once.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.base import Generator
from gan_aug.gan.networks.layers import ConditionalBatchNorm, orthogonal
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.networks.sizes import Size, channels_of
from gan_aug.gan.networks.thin import LastConvTranspose2d


class DcganGenerator(Generator):
    """Doubles a small image by one transposed convolution for each level.

    Args:
        settings: What both networks are built from.
        sizes: Of the levels, finest first; each must be twice the next one.
    """

    def __init__(self, settings: NetworkSettings, sizes: list[Size]) -> None:
        super().__init__(settings)
        self._coarsest = sizes[-1]
        channels = [*reversed(channels_of(settings.width, sizes)), settings.shape[0]]
        height, width = sizes[-1]
        self.project = nn.Linear(settings.latent + settings.classes, channels[0] * height * width, bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, settings.classes) for c in channels[:-1])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels[:-1])
        ).append(LastConvTranspose2d(*channels[-2:]))
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d) or layer is self.project:
                orthogonal(layer)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Make one image per row of `noise` and `labels`."""
        x: Tensor = self.project(torch.cat([noise, labels], dim=1))
        x = torch.unflatten(x, 1, (-1, *self._coarsest)).contiguous(memory_format=torch.channels_last)
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = norm(x, labels, lambda h, _, up=up: up(h), [up])
        return torch.tanh(x)
