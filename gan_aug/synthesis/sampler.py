"""Seeds and labels to images: image k is the same however many are made at once, and wherever."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.gan.networks.dcgan import Generator
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
    indices = range(first, first + len(labels))
    noise = image_noise(seed, purpose, indices, generator.settings.latent)  # at once: half the cost of a block a time
    return make_images(generator, truncated(noise, truncation), labels)


def make_images(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Images `(N, C, H, W) uint8` of any number of rows of noise and labels, a block at a time."""
    images = np.empty((len(labels), *generator.settings.shape), dtype=np.uint8)
    for start in range(0, len(labels), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = make_block(generator, noise[block], labels[block])
    return images


@torch.inference_mode()
def make_block(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Images `(N, C, H, W) uint8` of at most BLOCK rows of noise and labels, by a forward pass of BLOCK rows."""
    device = generator.project.weight.device
    made = generator(*(torch.from_numpy(_whole(rows)).to(device) for rows in (noise, labels)))
    return to_bytes(made[: len(noise)]).cpu().numpy()


def _whole(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A block's rows, with zeros where they are too few."""
    if len(rows) == BLOCK:
        return rows
    whole = np.zeros((BLOCK, rows.shape[1]), dtype=np.float32)
    whole[: len(rows)] = rows
    return whole
