"""The discriminator of all networks: strided convolutions and a projection head.

After Radford et al. 2015 (arXiv 1511.06434) and Miyato & Koyama 2018 (arXiv 1802.05637, projection).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_aug.gan.networks.base import Discriminator
from gan_aug.gan.networks.layers import orthogonal
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.networks.sizes import Size, channels_of

LEAK = 0.2
"""The slope of D's leaky ReLUs below zero."""


class StridedDiscriminator(Discriminator):
    """Halves an image by one convolution for each level, then gives it a logit.

    Args:
        settings: What both networks are built from.
        sizes: Of the levels, finest first; an odd size is filled up to an even one before it is halved.
    """

    def __init__(self, settings: NetworkSettings, sizes: list[Size]) -> None:
        super().__init__(settings)
        channels = [settings.shape[0], *channels_of(settings.width, sizes)]
        convolutions = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels)]
        features = nn.Linear(channels[-1] * sizes[-1][0] * sizes[-1][1], 4 * channels[-1])
        score = nn.Linear(4 * channels[-1], 1)
        projection = nn.Linear(settings.classes, 4 * channels[-1], bias=False)
        layers: list[nn.Conv2d | nn.Linear] = [*convolutions, features, score, projection]
        for layer in layers:
            orthogonal(layer)
            if settings.spectral:
                spectral_norm(layer)
        self.downs = nn.ModuleList(convolutions)
        self.features, self.score, self.projection = features, score, projection

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The logit of each image: score(h) + <projection(labels), h>, h its features (Miyato & Koyama, eq. 3)."""
        x = images.contiguous(memory_format=torch.channels_last)
        for down in self.downs:
            x = nn.functional.leaky_relu(down(_even(x)), LEAK)
        h = nn.functional.leaky_relu(self.features(x.flatten(1)), LEAK)
        logits: Tensor = self.score(h)[:, 0] + (self.projection(labels) * h).sum(dim=1)
        return logits


def _even(x: Tensor) -> Tensor:
    """`x` `(N, C, H, W)` with a row or column of zeros at the end of each odd side."""
    height, width = x.shape[2:]
    return nn.functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x
