"""A GAN small enough to train within a test, on images that need no file."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gan_aug.gan.device.use import DeviceUse
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.ranks import Ranks
from gan_aug.gan.trainer import GanTrainer, TrainSettings

NETWORKS = NetworkSettings((1, 16, 16), 3, width=8, latent=8)
SETTINGS = TrainSettings(images=160, batch=16, augment=("translation", "cutout"), seed=5)


def batches(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Class k is a bright band at height 4k, with noise; a function of the index alone."""
    labels = torch.arange(first, first + count) % 3
    noise = [
        torch.randint(0, 40, (1, 16, 16), generator=torch.Generator().manual_seed(i))
        for i in range(first, first + count)
    ]
    images = torch.stack(noise) if noise else torch.zeros(0, 1, 16, 16, dtype=torch.long)
    for row, label in enumerate(labels.tolist()):
        images[row, :, 4 * label : 4 * label + 4] += 180
    return images.to(torch.uint8), torch.eye(3)[labels]


def held_out(first: int, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images that `batches` never gives, one for each of the labels; the last label has none."""
    images = torch.stack([torch.full((1, 16, 16), (31 * i) % 60) for i in range(first, first + len(labels) + 1)])[:-1]
    for row, label in enumerate(labels.argmax(dim=1).tolist()):
        images[row, :, 4 * label : 4 * label + 4] += 180
    return images.to(torch.uint8), labels[:, 2] == 0


def small_trainer(
    spectral: bool = True,
    ranks: Ranks | None = None,
    dtype: torch.dtype = torch.float32,
    network: NetworkName = "dcgan",
    micro_batch: int | None = None,
    use: DeviceUse | None = None,
    **changes: object,
) -> GanTrainer:
    networks = replace(NETWORKS, spectral=spectral, network=network)
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return GanTrainer(
        networks, settings, batches, None, ranks, dtype=dtype, micro_batch=micro_batch, held_out=held_out, use=use
    )
