"""Makes images from seeds and labels; image k is the same however many are made together, and on any worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_aug.gan.device.arithmetic import arithmetic
from gan_aug.gan.device.inputs import to_device
from gan_aug.gan.networks.base import Generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.gan.trainer import to_bytes
from gan_aug.synthesis.latents import truncated

BLOCK = 64
"""Images in every forward pass; with other batch sizes the last bits of an image would differ."""

BYTES = 64 << 20
"""The images that are brought back from a GPU at once take about so much."""


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

    def noise(rows: range) -> npt.NDArray[np.float32]:
        indices = range(first + rows.start, first + rows.stop)
        return truncated(image_noise(seed, purpose, indices, generator.settings.latent), truncation)

    if generator.device.type == "cuda":
        return make_ahead(generator, noise, labels)
    return make_images(generator, noise(range(len(labels))), labels)  # all at once: half the cost of by block


def make_ahead(
    generator: Generator,
    noise: Callable[[range], npt.NDArray[np.float32]],
    labels: npt.NDArray[np.float32],
    chunk: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Make images on a GPU while noise is drawn for those after them, and those before them are brought back.

    Forward passes are of BLOCK rows, as always. What goes to the GPU and comes back is a chunk of many passes.

    Args:
        generator: In evaluation mode.
        noise: Gives `(n, latent) float32` for n rows; another thread calls it.
        labels: `(N, K) float32` of zeros and ones.
        chunk: Images in a chunk, a multiple of BLOCK; by default as many as BYTES hold.

    Returns:
        `(N, C, H, W) uint8`.
    """
    shape = generator.settings.shape
    size = chunk or BLOCK * max(1, BYTES // (BLOCK * int(np.prod(shape))))
    chunks = [range(start, min(start + size, len(labels))) for start in range(0, len(labels), size)]
    images, before = np.empty((len(labels), *shape), dtype=np.uint8), None
    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(noise, rows) for rows in chunks[:1]]
        for number, rows in enumerate(chunks):
            drawn = coming.pop().result()
            coming = [thread.submit(noise, following) for following in chunks[number + 1 : number + 2]]
            made = _Returning(_make_chunk(generator, drawn, labels[rows.start : rows.stop]), rows)
            if before:
                before.write_to(images)
            before = made
    if before:
        before.write_to(images)
    return images


@torch.inference_mode()
def _make_chunk(generator: Generator, noise: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> Tensor:
    """Images `(n, C, H, W) uint8` on the generator's device, by passes of BLOCK rows; the CPU does not wait for it."""
    whole = -(-len(labels) // BLOCK) * BLOCK
    rows = [to_device(torch.from_numpy(_padded(values, whole)), generator.device) for values in (noise, labels)]
    with arithmetic(generator.device):
        blocks = [to_bytes(generator(*pair)) for pair in zip(*(torch.split(part, BLOCK) for part in rows), strict=True)]
    return torch.cat(blocks)[: len(labels)]


class _Returning:
    """Images on their way from the GPU to the CPU's memory."""

    def __init__(self, images: Tensor, rows: range) -> None:
        self._rows, self._there = rows, images.device.type == "cuda"
        self._images = torch.empty(images.shape, dtype=images.dtype, pin_memory=self._there)
        self._images.copy_(images, non_blocking=True)
        if self._there:
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def write_to(self, images: npt.NDArray[np.uint8]) -> None:
        """Wait until they are here, and write them to their rows."""
        if self._there:
            self._event.synchronize()
        images[self._rows.start : self._rows.stop] = self._images.numpy()


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
    with arithmetic(device):
        made = generator(*(torch.from_numpy(_padded(rows, BLOCK)).to(device) for rows in (noise, labels)))
    return to_bytes(made[: len(noise)]).cpu().numpy()


def _padded(rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """The rows, filled up with zeros to `count` rows."""
    if len(rows) == count:
        return rows
    padded = np.zeros((count, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    return padded
