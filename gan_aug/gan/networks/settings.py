"""What the networks are built from: their name, image shape, classes, widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NetworkName = Literal["dcgan", "resize", "residual"]


@dataclass(frozen=True)
class NetworkSettings:
    """What both networks are built from.

    - `shape`: of the images, `(C, H, W)`.
    - `classes`: the number of labels, K.
    - `width`: channels at half the image's size; they double from level to level, up to 8 times the width.
    - `latent`: dimensions of the noise.
    - `spectral`: whether every layer of D has spectral norm (Miyato et al. 2018, arXiv 1802.05957).
    - `network`: which networks, a name in `catalogue.NETWORKS`.
    """

    shape: tuple[int, int, int]
    classes: int
    width: int = 16
    latent: int = 64
    spectral: bool = True
    network: NetworkName = "dcgan"
