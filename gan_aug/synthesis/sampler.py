"""Makes images from seeds and labels; image k is the same however many are made together, and on any worker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.gan.networks.base import Generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.gan.trainer import to_bytes
from gan_aug.synthesis.latents import truncated

BLOCK = 64
"""Images in every forward pass; with other batch sizes the last bits of an image would differ."""


def sample(
    generator: Generator,
    labels: npt.NDArray[np.float32],
    *,
    seed: int,
    first: int = 0,
    purpose: Purpose = Purpose.SYNTHESIS,
    truncation: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Make the images `first`, `first + 1`, ... of a seed.

    An image depends only on the generator, the seed, the purpose, its index, its label and `truncation`, because every
    forward pass has the same size.

    Args:
        generator: In evaluation mode.
        labels: `(N, K) float32` of zeros and ones, one row per image.
        seed: Of the noise.
        first: The index of the first image.
        purpose: What the images are for; each purpose has its own noise.
        truncation: From 0 to 1, see `truncated`.

    Returns:
        `(N, C, H, W) uint8`.
    """
    indices = range(first, first + len(labels))
    noise = image_noise(seed, purpose, indices, generator.settings.latent)  # all at once: half the cost of by block
    return make_images(generator, truncated(noise, truncation), labels)


def make_images(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Make images of any number of rows, one block after the other.

    Args:
        generator: In evaluation mode.
        noise: `(N, latent) float32`.
        labels: `(N, K) float32` of zeros and ones.

    Returns:
        `(N, C, H, W) uint8`.
    """
    images = np.empty((len(labels), *generator.settings.shape), dtype=np.uint8)
    for start in range(0, len(labels), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = make_block(generator, noise[block], labels[block])
    return images


def make_in_rows(
    generator: Generator,
    rows: Sequence[int | None],
    noise: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
) -> npt.NDArray[np.uint8]:
    """Make images, some of them in a certain row of a forward pass, since another row may round differently.

    Args:
        generator: In evaluation mode.
        rows: The row of each image, below BLOCK, or None for any. Images of the same row are made in different passes.
        noise: `(N, latent) float32`.
        labels: `(N, K) float32` of weights from 0 to 1.

    Returns:
        `(N, C, H, W) uint8`.
    """
    images = np.empty((len(rows), *generator.settings.shape), dtype=np.uint8)
    for taken in _passes(rows):
        own, filled = list(taken.values()), max(taken) + 1
        placed = [np.zeros((filled, values.shape[1]), dtype=np.float32) for values in (noise, labels)]
        for values, given in zip(placed, (noise, labels), strict=True):
            values[list(taken)] = given[own]
        images[own] = make_block(generator, *placed)[list(taken)]
    return images


def _passes(rows: Sequence[int | None]) -> list[dict[int, int]]:
    """For each forward pass the image in each row that is taken; images that may be anywhere fill the gaps."""
    passes: list[dict[int, int]] = []
    for image in sorted(range(len(rows)), key=lambda k: rows[k] is None):
        row = rows[image]
        for taken in passes:
            free = next((k for k in range(BLOCK) if k not in taken), None) if row is None else row
            if free is not None and free not in taken:
                taken[free] = image
                break
        else:
            passes.append({row or 0: image})
    return passes


@torch.inference_mode()
def make_block(
    generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Make the images of at most BLOCK rows by one forward pass of BLOCK rows.

    Args:
        generator: In evaluation mode.
        noise: `(N, latent) float32`.
        labels: `(N, K) float32`.

    Returns:
        `(N, C, H, W) uint8`.
    """
    device = generator.device
    made = generator(*(torch.from_numpy(_padded(rows)).to(device) for rows in (noise, labels)))
    return to_bytes(made[: len(noise)]).cpu().numpy()


def _padded(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The rows, filled up with zeros to BLOCK rows."""
    if len(rows) == BLOCK:
        return rows
    padded = np.zeros((BLOCK, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    return padded
