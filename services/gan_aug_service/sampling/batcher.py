"""Images on demand: loaded generators, and forward passes that the requests of several clients share.

An image depends on its seed, index and label alone, not on the requests that share its forward pass. So every pass
has a whole block of rows. When a generator is loaded, it is tried whether the position of a row in the block changes
any bit of its image; if it does, each request gets passes of its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gan_aug.run import layout
from gan_aug_service.products.summaries import checkpoint_record, no_checkpoint
from gan_aug_service.sampling.classifiers import Classifiers
from gan_aug_service.sampling.fair_queue import PendingLimit, RoundRobinQueue, SampleRequest
from gan_aug_service.settings import Limits

if TYPE_CHECKING:
    from gan_aug.gan.networks.base import Generator
    from gan_aug.gan.state import Checkpoint
    from gan_aug.synthesis.latents import Latent

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
LOADED = 4
"""Generators kept in memory; the one that was unused for longest goes first."""

WINDOW_SECONDS = 0.004
"""How long the first request waits for others to share its block; while a block is made, the next one fills up."""

Count = Callable[[int, int], None]
"""Is told how many images were made, and in how many forward passes."""


class Batcher:
    """Makes the images that requests ask of one generator, block by block, in a thread."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        generator: Generator,
        pool: ThreadPoolExecutor,
        count: Count,
        pending: PendingLimit,
    ) -> None:
        self.checkpoint, self.generator = checkpoint, generator
        self.shares_passes = rows_can_move(generator)
        self._pool, self._count, self._pending = pool, count, pending
        self._queue = RoundRobinQueue()
        self._task: asyncio.Task[None] | None = None

    async def sample(
        self, labels: Floats, seed: int, first: int, truncation: float = 1.0, *, client: str = ""
    ) -> Images:
        """Images `first`, `first + 1`, ... of a seed.

        Args:
            labels: `(N, K) float32`, one row for each image.
            seed: The seed.
            first: The index of the first image.
            truncation: Scales the noise, 0 to 1.
            client: Who asks; clients take turns.

        Returns:
            The images, `(N, C, H, W) uint8`.

        Raises:
            Problem: The client waits for too many images already.
        """
        from gan_aug.gan.seeds import Purpose, image_noise
        from gan_aug.synthesis.latents import truncated

        with self._pending.reserved(client, len(labels)):
            indices, latent = range(first, first + len(labels)), self.generator.settings.latent
            noise = await asyncio.to_thread(image_noise, seed, Purpose.SYNTHESIS, indices, latent)
            return await self._made(truncated(noise, truncation), labels, client)

    async def make(self, latents: Sequence[Latent], *, client: str = "") -> Images:
        """Images of points of the latent space.

        Args:
            latents: The points.
            client: Who asks; clients take turns.

        Returns:
            The images, `(N, C, H, W) uint8`.

        Raises:
            Problem: The client waits for too many images already.
        """
        from gan_aug.synthesis.latents import noise_of, weights_of

        with self._pending.reserved(client, len(latents)):
            noise = await asyncio.to_thread(noise_of, latents, self.generator.settings.latent)
            return await self._made(noise, weights_of(latents), client)

    async def _made(self, noise: Floats, labels: Floats, client: str) -> Images:
        """Images `(N, C, H, W) uint8`, one for each row of noise `(N, latent)` and labels `(N, K)`.

        If it is cancelled, only the rows in the block being made are still made.
        """
        request = SampleRequest(noise, labels, asyncio.get_running_loop().create_future())
        self._queue.add(client, request)
        if self._task is None:
            self._task = asyncio.create_task(self._make_blocks())
        return await request.images

    async def _make_blocks(self) -> None:
        """Make blocks until nobody waits."""
        from gan_aug.synthesis.sampler import BLOCK

        try:
            if self.shares_passes and len(self._queue) < BLOCK:
                await asyncio.sleep(WINDOW_SECONDS)
            while block := self._queue.take(BLOCK, together=self.shares_passes):
                await self._make_block(block)
        finally:
            self._task = None

    async def _make_block(self, block: list[tuple[SampleRequest, int]]) -> None:
        """Make at most one block of rows by one forward pass in the thread, and hand each request its images."""
        from gan_aug.synthesis.sampler import make_block

        loop = asyncio.get_running_loop()
        noise, labels = (np.stack(rows) for rows in zip(*((a.noise[k], a.labels[k]) for a, k in block), strict=True))
        try:
            images = await loop.run_in_executor(self._pool, make_block, self.generator, noise, labels)
        except Exception as error:  # noqa: BLE001 - each request that waits gets it
            for request, _ in block:
                if not request.images.done():
                    request.images.set_exception(error)
            return
        self._count(len(images), 1)
        for (request, _), image in zip(block, images, strict=True):
            request.add_image(image)


class Samplers:
    """The generators that were used last, each with its Batcher; all share one thread.

    `classifiers` are those that score the images, in a thread of their own.
    """

    def __init__(self, count: Count, max_pending: int = Limits().images) -> None:
        """`count` is told of images and their forward passes; one client may wait for `max_pending` images."""
        self._count, self._pending = count, PendingLimit(max_pending)
        self._pool = ThreadPoolExecutor(1, "sampler", _one_thread)
        self._loaded: OrderedDict[tuple[Path, int], Batcher] = OrderedDict()
        self._loading = asyncio.Lock()
        self.classifiers = Classifiers()

    async def get(self, run: Path) -> Batcher:
        """The Batcher of the checkpoint that is the GAN of a run folder; raises CheckpointError if there is none."""
        async with self._loading:
            key = await asyncio.to_thread(checkpoint_record, run)
            if key not in self._loaded:
                batcher = await asyncio.get_running_loop().run_in_executor(self._pool, self._load, run)
                self._loaded[key] = batcher
                while len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def evict_removed(self) -> None:
        """Drop the generators and classifiers whose files are gone, because their runs were removed."""
        for key in [key for key in self._loaded if not key[0].exists()]:
            del self._loaded[key]
        self.classifiers.evict_removed()

    def close(self) -> None:
        """End the threads."""
        self.classifiers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, run: Path) -> Batcher:
        from gan_aug.gan.chosen import chosen_checkpoint
        from gan_aug.gan.state import load_generator

        checkpoint = chosen_checkpoint(run / layout.TRAIN)
        if checkpoint is None:
            raise no_checkpoint(run)
        return Batcher(checkpoint, load_generator(checkpoint), self._pool, self._count, self._pending)


def _one_thread() -> None:
    """Use one thread of PyTorch, as `generate` does: another number can change the last bits."""
    import torch

    torch.set_num_threads(1)


def rows_can_move(generator: Generator) -> bool:
    """Whether, on this machine, a row's image has the same bits at every position in the block."""
    import torch

    from gan_aug.gan.seeds import Purpose, image_noise
    from gan_aug.synthesis.sampler import BLOCK

    noise = torch.from_numpy(image_noise(0, Purpose.SYNTHESIS, range(BLOCK), generator.settings.latent))
    labels = torch.eye(generator.settings.classes)[torch.arange(BLOCK) % generator.settings.classes]
    with torch.no_grad():
        images = generator(noise, labels)
        moved = (generator(noise.roll(step, 0), labels.roll(step, 0)).roll(-step, 0) for step in (1, 7, 31))
        return all(torch.equal(images, other) for other in moved)
