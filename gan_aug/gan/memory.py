"""How much memory a training takes: figures for each network, measured once, times the images and their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gan_aug.gan.networks.catalogue import build_discriminator, build_generator
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.trainer import TrainSettings

PROCESS = 700 << 20
"""Bytes of a process that has loaded PyTorch and the package, before it trains."""

BESIDE = 1.35
"""What is taken for each byte of the tensors: the libraries' working memory, and gaps between blocks."""

IMAGES = 8
"""How many numbers of a step are images: real and fake ones, what D sees of them, and their gradients."""

COPIES = {"generator": 5, "discriminator": 4}
"""How often a network's weights are held: with gradient and Adam's two moments; the generator's average in addition."""


@dataclass(frozen=True)
class Held:
    """The numbers that a step holds at its peak for each image and pixel, with a width of 16, beside images.

    - `whole`: if the batch is computed as a whole.
    - `kept`: of every image of the batch, if it is computed in parts.
    - `part`: of every image of the part, in addition.
    """

    whole: float
    kept: float
    part: float


# Counted by going through a step with a gradient penalty, at 28 to 128 pixels.
HELD: dict[NetworkName, Held] = {
    "dcgan": Held(whole=68, kept=21, part=50),
    "resize": Held(whole=98, kept=31, part=50),
    "residual": Held(whole=157, kept=30, part=75),
}


def memory_needed(networks: NetworkSettings, settings: TrainSettings, micro_batch: int | None = None) -> int:
    """About how many bytes a process takes that trains on the CPU, at its peak.

    Args:
        networks: What both networks are built from.
        settings: How they are trained.
        micro_batch: The most images that are computed at once; None means all.

    Returns:
        The bytes of the whole process. The training images are not in it: they are read from disk.
    """
    with torch.random.fork_rng(devices=[]):
        built = {"generator": build_generator(networks), "discriminator": build_discriminator(networks)}
        group = int(built["discriminator"].group)  # type: ignore[arg-type]
    weights = sum(COPIES[name] * p.nbytes for name, network in built.items() for p in network.parameters())
    held, batch = HELD[networks.network], settings.batch
    numbers = batch * held.whole
    if micro_batch and micro_batch < batch:
        numbers = min(numbers, batch * held.kept + max(micro_batch, group) * held.part)
    channels, height, width = networks.shape
    numbers = numbers * networks.width / 16 + batch * IMAGES * channels
    return PROCESS + weights + round(BESIDE * 4 * numbers * height * width)
