"""The class-conditional DCGAN: a generator with conditional batch norm, a discriminator with a projection head.

After Radford et al. 2015 (arXiv 1511.06434), de Vries et al. 2017 (conditional batch norm) and Miyato & Koyama 2018
(arXiv 1802.05637, projection). Labels are `(N, K) float32` of zeros and ones, so that one class, one of many and
several at once are the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LEAK = 0.2
SMALLEST, LARGEST = 3, 8


@dataclass(frozen=True)
class NetworkSettings:
    """What both networks are built from: image `shape` `(C, H, W)`, `classes` K, `width` channels, `latent` dimensions.

    `spectral` puts spectral norm on every layer of the discriminator (Miyato et al. 2018, arXiv 1802.05957).
    """

    shape: tuple[int, int, int]
    classes: int
    width: int = 16
    latent: int = 64
    spectral: bool = True

    def __post_init__(self) -> None:
        """Check the resolution; raises ValueError with the nearest one that fits."""
        levels(self.shape[1:])

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the coarsest level, in pixels."""
        scale = 2 ** levels(self.shape[1:])
        return self.shape[1] // scale, self.shape[2] // scale

    @property
    def channels(self) -> list[int]:
        """Channels of each level, finest first: doubling, at most eightfold."""
        return [self.width * min(2**level, 8) for level in range(levels(self.shape[1:]))]


def levels(size: tuple[int, int]) -> int:
    """How often `size` (height, width) is halved: until the shorter side is 3 to 8 pixels and can be halved no more.

    Raises ValueError naming the nearest sizes that work when the sides do not allow it.
    """
    fitting = [n for n in range(1, 9) if _fits(size, n)]
    if not fitting:
        unit = 2 ** max(1, (min(size) // 4).bit_length() - 1)
        up, down = ([max(unit * 3, -(-side // unit) * unit) for side in size], [side // unit * unit for side in size])
        near = " or ".join(f"{h}x{w}" for h, w in dict.fromkeys([tuple(down), tuple(up)]) if min(h, w) >= 3 * unit)
        raise ValueError(
            f"a DCGAN cannot halve {size[0]}x{size[1]} pixels down to {SMALLEST} to {LARGEST}: take {near or '28x28'}"
        )
    return fitting[-1]


def _fits(size: tuple[int, int], n: int) -> bool:
    halved = all(side % 2**n == 0 for side in size)
    return halved and SMALLEST <= min(size) // 2**n <= LARGEST


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are linear in the labels."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(classes, 2 * channels, bias=False)
        nn.init.zeros_(self.modulation.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Normalise `x` `(N, C, H, W)`, then scale by 1 + s(labels) and shift by b(labels)."""
        scale, shift = self.modulation(labels)[:, :, None, None].chunk(2, dim=1)
        normed: Tensor = self.norm(x)
        return torch.addcmul(normed + shift, normed, scale)


class Generator(nn.Module):
    """Noise `(N, latent)` and labels `(N, K)` to images `(N, C, H, W) float32` in [-1, 1]."""

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
                _orthogonal(layer)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Make one image per row."""
        x: Tensor = self.project(torch.cat([noise, labels], dim=1))
        x = torch.unflatten(x, 1, (-1, *self.settings.base)).contiguous(memory_format=torch.channels_last)
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = up(torch.relu(norm(x, labels)))
        return torch.tanh(x)


class Discriminator(nn.Module):
    """Images `(N, C, H, W)` in [-1, 1] and labels `(N, K)` to one logit each, `(N,)`: high for real."""

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
            _orthogonal(layer)
            if settings.spectral:
                spectral_norm(layer)
        self.downs = nn.ModuleList(convolutions)
        self.features, self.score, self.projection = features, score, projection

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Score one image per row: score(h) + <projection(labels), h> with h the image's features (their eq. 3)."""
        x = images.contiguous(memory_format=torch.channels_last)
        for down in self.downs:
            x = nn.functional.leaky_relu(down(x), LEAK)
        h = nn.functional.leaky_relu(self.features(x.flatten(1)), LEAK)
        logits: Tensor = self.score(h)[:, 0] + (self.projection(labels) * h).sum(dim=1)
        return logits


def _orthogonal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Orthogonal weights (Saxe et al. 2014, as in BigGAN) and zero biases."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
