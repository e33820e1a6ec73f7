"""The discriminator of all networks: strided convolutions and a projection head.

After Radford et al. 2015 (arXiv 1511.06434) and Miyato & Koyama 2018 (arXiv 1802.05637, projection). It may see how
much images differ from each other, so that a generator of too few kinds of images is found out (Karras et al. 2018,
arXiv 1710.10196, section 3; in groups as in arXiv 1912.04958).
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
from gan_aug.gan.networks.thin import FirstConv2d

LEAK = 0.2
"""The slope of D's leaky ReLUs below zero."""

SMALLEST = 1e-8
"""Added to a variance, so that its root has a gradient where images do not differ."""


class StridedDiscriminator(Discriminator):
    """Halves an image by one convolution for each level, then gives it a logit.

    Args:
        settings: What both networks are built from.
        sizes: Of the levels, finest first; an odd size is filled up to an even one before it is halved.
        group: So many consecutive images are seen together, by the spread of their last features; 1 for each alone.
    """

    def __init__(self, settings: NetworkSettings, sizes: list[Size], group: int = 1) -> None:
        super().__init__(settings)
        self.group = group
        channels = [settings.shape[0], *channels_of(settings.width, sizes)]
        convolutions: list[nn.Conv2d] = [FirstConv2d(*channels[:2])]
        convolutions += [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels[1:])]
        seen = channels[-1] + (1 if group > 1 else 0)
        features = nn.Linear(seen * sizes[-1][0] * sizes[-1][1], 4 * channels[-1])
        score = nn.Linear(4 * channels[-1], 1)
        projection = nn.Linear(settings.classes, 4 * channels[-1], bias=False)
        layers: list[nn.Conv2d | nn.Linear] = [*convolutions, features, score, projection]
        for layer in layers:
            orthogonal(layer)
            if settings.spectral:
                spectral_norm(layer)
        self.downs = nn.ModuleList(convolutions)
        self.features, self.score, self.projection = features, score, projection

    def forward(self, images: Tensor, labels: Tensor, sets: int = 1) -> Tensor:
        """The logit of each image: score(h) + <projection(labels), h>, h its features (Miyato & Koyama, eq. 3).

        The images are so many sets of the same size, one after the other; those of two sets are in no group together.
        """
        x = images.contiguous(memory_format=torch.channels_last)
        for down in self.downs:
            x = nn.functional.leaky_relu(down(_even(x)), LEAK, inplace=True)
        if self.group > 1:
            spread = torch.cat([_spread(part, self.group) for part in x.chunk(sets)])
            x = torch.cat([x, spread[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)
        h = nn.functional.leaky_relu(self.features(x.flatten(1)), LEAK)
        logits: Tensor = self.score(h)[:, 0] + (self.projection(labels) * h).sum(dim=1)
        return logits


def _even(x: Tensor) -> Tensor:
    """`x` `(N, C, H, W)` with a row or column of zeros at the end of each odd side."""
    height, width = x.shape[2:]
    return nn.functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _spread(x: Tensor, group: int) -> Tensor:
    """The standard deviation of `x` `(N, C, H, W)` within each group of consecutive rows, averaged over C, H and W.

    The last group has the rows that are left. The result, `(N,)`, has the group's value for each of its rows.
    """
    whole = len(x) - len(x) % group
    groups = [rows for rows in (torch.unflatten(x[:whole], 0, (-1, group)), x[whole:][None]) if rows.numel()]
    spreads = [(rows.var(dim=1, correction=0) + SMALLEST).sqrt().mean(dim=(1, 2, 3)) for rows in groups]
    each = [spread[:, None].expand(-1, rows.shape[1]) for spread, rows in zip(spreads, groups, strict=True)]
    return torch.cat([spread.flatten() for spread in each]) if each else x.new_zeros(0)
