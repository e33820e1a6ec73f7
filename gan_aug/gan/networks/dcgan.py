"""The class-conditional DCGAN: a generator with conditional batch norm, a discriminator with a projection head.

After Radford et al. 2015 (arXiv 1511.06434), de Vries et al. 2017 (conditional batch norm) and Miyato & Koyama 2018
(arXiv 1802.05637, projection). Labels are `(N, K) float32` of zeros and ones, so the same code serves one class, one
class of many, and several labels at once.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_aug.gan.networks.layers import ConditionalBatchNorm, orthogonal
from gan_aug.gan.networks.settings import NetworkSettings

LEAK = 0.2
"""The slope of D's leaky ReLUs below zero."""


class Generator(nn.Module):
    """Makes images `(N, C, H, W) float32` in [-1, 1] from noise `(N, latent)` and labels `(N, K)`."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        height, width = settings.base
        channels = [*reversed(settings.channels), settings.shape[0]]
        self.project = nn.Linear(settings.latent + settings.classes, channels[0] * height * width, bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(c, settings.classes) for c in channels[:-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels))
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d) or layer is self.project:
                orthogonal(layer)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Make one image per row of `noise` and `labels`."""
        x: Tensor = self.project(torch.cat([noise, labels], dim=1))
        x = torch.unflatten(x, 1, (-1, *self.settings.base)).contiguous(memory_format=torch.channels_last)
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = up(torch.relu(norm(x, labels)))
        return torch.tanh(x)


class Discriminator(nn.Module):
    """Gives each image `(N, C, H, W)` in [-1, 1] with its labels `(N, K)` one logit, `(N,)`; high means real."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        height, width = settings.base
        channels = [settings.shape[0], *settings.channels]
        convolutions = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels)]
        features = nn.Linear(channels[-1] * height * width, 4 * channels[-1])
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
            x = nn.functional.leaky_relu(down(x), LEAK)
        h = nn.functional.leaky_relu(self.features(x.flatten(1)), LEAK)
        logits: Tensor = self.score(h)[:, 0] + (self.projection(labels) * h).sum(dim=1)
        return logits
