"""What every generator and every discriminator is, whatever its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.settings import NetworkSettings


class Generator(nn.Module):
    """Makes images `(N, C, H, W) float32` in [-1, 1] from noise `(N, latent)` and labels `(N, K)`."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    if TYPE_CHECKING:

        def __call__(self, noise: Tensor, labels: Tensor) -> Tensor:
            """Make one image per row of `noise` and `labels`."""


class Discriminator(nn.Module):
    """Gives each image `(N, C, H, W)` in [-1, 1] with its labels `(N, K)` one logit, `(N,)`; high means real.

    `group` is the number of consecutive images that one logit may depend on.
    """

    group = 1

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings

    if TYPE_CHECKING:

        def __call__(self, images: Tensor, labels: Tensor, sets: int = 1) -> Tensor:
            """The logit of each image; no group has images of two of so many equally large sets."""
