"""The networks by name: what each is made of, which sizes it takes, and which is the default for a size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gan_aug.gan.networks.base import Discriminator, Generator
from gan_aug.gan.networks.dcgan import DcganGenerator
from gan_aug.gan.networks.residual import ResidualGenerator
from gan_aug.gan.networks.resize import ResizeGenerator
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.networks.sizes import Size, halved_exactly, halved_rounding_up
from gan_aug.gan.networks.strided import StridedDiscriminator


@dataclass(frozen=True)
class Network:
    """One kind of networks.

    - `generator`, `discriminator`: made from the settings and the sizes of the levels.
    - `sizes`: the sizes of the levels for an image's size, finest first; raises ValueError if it takes no such image.
    - `penalty`: the weight of the gradient penalty for so many pixels and images in a batch.
    - `batch`: the images per step if no number is asked for.
    """

    generator: Callable[[NetworkSettings, list[Size]], Generator]
    discriminator: Callable[[NetworkSettings, list[Size]], Discriminator]
    sizes: Callable[[Size], list[Size]]
    penalty: Callable[[int, int], float]
    batch: int


def _penalty_by_pixels(pixels: int, batch: int) -> float:
    """0.0001 pixels / batch: half of what StyleGAN2-ADA's automatic configuration takes (arXiv 2006.06676)."""
    return float(f"{0.0001 * pixels / batch:.3g}")


GROUP = 4
"""The images that a discriminator compares with each other, in the networks newer than `dcgan`: as StyleGAN2's."""

_COMPARING = partial(StridedDiscriminator, group=GROUP)

NETWORKS: dict[NetworkName, Network] = {
    "dcgan": Network(DcganGenerator, StridedDiscriminator, halved_exactly, lambda _pixels, _batch: 1.0, 64),
    "resize": Network(ResizeGenerator, _COMPARING, halved_rounding_up, _penalty_by_pixels, 16),
    "residual": Network(ResidualGenerator, _COMPARING, halved_rounding_up, _penalty_by_pixels, 16),
}

DEFAULTS: tuple[tuple[int, NetworkName], ...] = ((32, "dcgan"), (255, "resize"))
"""The default network up to so many pixels of the longer side, if it takes the size; above all of them: `residual`."""


def default_network(size: Size) -> NetworkName:
    """The network for images of `size` (height, width) if none is asked for: by DEFAULTS."""
    fitting = (name for most, name in DEFAULTS if max(size) <= most and _takes(name, size))
    return next(fitting, "residual")


def default_penalty(network: NetworkName, size: Size, batch: int) -> float:
    """The weight of the gradient penalty if none is asked for.

    Args:
        network: The name of the network.
        size: The images' height and width in pixels.
        batch: Images per step.

    Returns:
        The weight (gamma of R1 and R2).
    """
    return NETWORKS[network].penalty(size[0] * size[1], batch)


def build_generator(settings: NetworkSettings) -> Generator:
    """A generator with fresh weights; raises ValueError if its network does not take images of this size."""
    network = NETWORKS[settings.network]
    return network.generator(settings, network.sizes(settings.shape[1:]))


def build_discriminator(settings: NetworkSettings) -> Discriminator:
    """A discriminator with fresh weights; raises ValueError if its network does not take images of this size."""
    network = NETWORKS[settings.network]
    return network.discriminator(settings, network.sizes(settings.shape[1:]))


def _takes(name: NetworkName, size: Size) -> bool:
    try:
        NETWORKS[name].sizes(size)
    except ValueError:
        return False
    return True
