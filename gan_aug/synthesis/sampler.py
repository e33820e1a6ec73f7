"""Seeds and labels to images: image k is the same however many are made at once, and wherever."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.gan.networks import Generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.gan.trainer import to_bytes
from gan_aug.synthesis.latents import truncated

BLOCK = 64
"""Images per forward pass, always: other batch sizes differ in the last bits."""


def sample(
    generator: Generator,
    labels: npt.NDArray[np.float32],
    *,
    seed: int,
    first: int = 0,
    purpose: Purpose = Purpose.SYNTHESIS,
    truncation: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Images `first`, `first + 1`, ... as `(N, C, H, W) uint8`, one per row of `labels` `(N, K) float32`.

    An image depends on the seed, its index, its label and `truncation` (see `truncated`) alone: every forward pass
    holds a whole block.
    """
    noise = image_noise(seed, purpose, range(first, first + len(labels)), generator.settings.latent)
    return make_images(generator, truncated(noise, truncation), labels)


def make_images(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Images `(N, C, H, W) uint8` of any number of rows of noise and labels, a block at a time."""
    starts = range(0, len(labels), BLOCK)
    blocks = [make_block(generator, noise[k : k + BLOCK], labels[k : k + BLOCK]) for k in starts]
    return np.concatenate(blocks) if blocks else np.empty((0, *generator.settings.shape), dtype=np.uint8)


@torch.no_grad()
def make_block(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Images `(N, C, H, W) uint8` of at most BLOCK rows of noise and labels, by a forward pass of BLOCK rows."""
    device = next(generator.parameters()).device
    padded = [np.zeros((BLOCK, rows.shape[1]), dtype=np.float32) for rows in (noise, labels)]
    for whole, rows in zip(padded, (noise, labels), strict=True):
        whole[: len(rows)] = rows
    made = generator(*(torch.from_numpy(whole).to(device) for whole in padded))
    return to_bytes(made[: len(noise)]).cpu().numpy()
