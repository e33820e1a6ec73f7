"""Seeds and labels to images: image k is the same however many are made at once, and wherever."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.gan.networks import Generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.gan.trainer import to_bytes

BLOCK = 64
"""Images per forward pass, always: other batch sizes differ in the last bits."""


@torch.no_grad()
def sample(
    generator: Generator,
    labels: npt.NDArray[np.float32],
    *,
    seed: int,
    first: int = 0,
    purpose: Purpose = Purpose.SYNTHESIS,
) -> npt.NDArray[np.uint8]:
    """Images `first`, `first + 1`, ... as `(N, C, H, W) uint8`, one per row of `labels` `(N, K) float32`.

    An image depends on the seed, its index and its label alone: every forward pass holds a whole block.
    """
    device = next(generator.parameters()).device
    blocks = []
    for start in range(0, len(labels), BLOCK):
        rows = labels[start : start + BLOCK]
        padded = np.zeros((BLOCK, labels.shape[1]), dtype=np.float32)
        padded[: len(rows)] = rows
        noise = np.zeros((BLOCK, generator.settings.latent), dtype=np.float32)
        indices = range(first + start, first + start + len(rows))
        noise[: len(rows)] = image_noise(seed, purpose, indices, generator.settings.latent)
        made = generator(torch.from_numpy(noise).to(device), torch.from_numpy(padded).to(device))
        blocks.append(to_bytes(made[: len(rows)]).cpu().numpy())
    return np.concatenate(blocks) if blocks else np.empty((0, *generator.settings.shape), dtype=np.uint8)
