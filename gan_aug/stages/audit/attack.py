"""The attack by the discriminator, which never leaves the run folder: whether it knows its training images again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.gan.networks.base import Discriminator

AT_ONCE = 64


@torch.inference_mode()
def logits(
    discriminator: Discriminator,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.float32],
    device: torch.device,
) -> npt.NDArray[np.float64]:
    """What a discriminator says of real images.

    Args:
        discriminator: In evaluation mode.
        images: `(N, C, H, W) uint8`.
        labels: `(N, K)` zeros and ones.
        device: Where it is computed.

    Returns:
        The logits `(N,)`, high for real.
    """
    discriminator.to(device)
    found, step = [], AT_ONCE * discriminator.group
    for first in range(0, len(images), step):
        part = torch.from_numpy(images[first : first + step]).float() / 127.5 - 1
        given = torch.from_numpy(labels[first : first + step])
        missing = -len(part) % discriminator.group  # it compares images in groups of this size
        part, given = (torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])]) for rows in (part, given))
        found.append(discriminator(part.to(device), given.to(device))[: len(part) - missing].double().cpu())
    return torch.cat(found).numpy()
