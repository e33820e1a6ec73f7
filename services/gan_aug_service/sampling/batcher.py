"""Images on demand: loaded generators, and one forward pass for the requests of several clients.

An image depends on its seed, index and label alone, whoever shares its pass: every pass holds a whole block, and a
generator is tried when it is loaded whether a row's place in the block alters a bit (then each request has its own).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gan_aug.run import layout
from gan_aug_service.products.summaries import newest_record, no_checkpoint
from gan_aug_service.sampling.fair_queue import Asked, Turns, Waiting
from gan_aug_service.settings import Limits

if TYPE_CHECKING:
    from gan_aug.gan.networks.dcgan import Generator
    from gan_aug.gan.state import Checkpoint

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
LOADED = 4
"""Generators kept in memory; the one unused for longest is let go."""

WINDOW_SECONDS = 0.004
"""How long the first request of a block waits for others; while a block is made the next one fills by itself."""

Count = Callable[[int, int], None]


class Batcher:
    """Makes the images that several requests ask of one generator, a block at a time, in a thread."""

    def __init__(
        self, checkpoint: Checkpoint, generator: Generator, pool: ThreadPoolExecutor, count: Count, waiting: Waiting
    ) -> None:
        self.checkpoint, self.generator = checkpoint, generator
        self.shares = rows_can_move(generator)
        self._pool, self._count, self._waiting = pool, count, waiting
        self._turns = Turns()
        self._task: asyncio.Task[None] | None = None

    async def sample(
        self, labels: Floats, seed: int, first: int, truncation: float = 1.0, *, caller: str = ""
    ) -> Images:
        """Images `first`, `first + 1`, ... of a seed as `(N, C, H, W) uint8`, one per row of `labels` `(N, K)`.

        `caller` is whose turn it takes. Raises Problem where that one waits for too many already.
        """
        from gan_aug.gan.seeds import Purpose, image_noise
        from gan_aug.synthesis.latents import truncated

        with self._waiting.counted(caller, len(labels)):
            indices, latent = range(first, first + len(labels)), self.generator.settings.latent
            noise = await asyncio.to_thread(image_noise, seed, Purpose.SYNTHESIS, indices, latent)
            return await self._made(truncated(noise, truncation), labels, caller)

    async def between(self, label: Floats, seeds: tuple[int, int], frames: int, *, caller: str = "") -> Images:
        """The way from image 0 of one seed to that of another, `(frames, C, H, W) uint8`, with one `label` `(K,)`.

        `caller` as for `sample`.
        """
        from gan_aug.gan.seeds import Purpose, image_noise
        from gan_aug.synthesis.latents import between

        latent = self.generator.settings.latent
        with self._waiting.counted(caller, frames):
            start, end = (image_noise(seed, Purpose.SYNTHESIS, [0], latent)[0] for seed in seeds)
            return await self._made(between(start, end, frames), np.tile(label, (frames, 1)), caller)

    async def _made(self, noise: Floats, labels: Floats, caller: str) -> Images:
        """Images `(N, C, H, W) uint8`, one per row of noise `(N, latent)` and labels `(N, K)`.

        Cancelled, it leaves the queue with all that is not in the block at work.
        """
        asked = Asked(noise, labels, asyncio.get_running_loop().create_future())
        self._turns.add(caller, asked)
        if self._task is None:
            self._task = asyncio.create_task(self._make())
        return await asked.images

    async def _make(self) -> None:
        """Make blocks until nobody waits."""
        from gan_aug.synthesis.sampler import BLOCK

        try:
            if self.shares and len(self._turns) < BLOCK:
                await asyncio.sleep(WINDOW_SECONDS)
            while block := self._turns.take(BLOCK, together=self.shares):
                await self._make_block(block)
        finally:
            self._task = None

    async def _make_block(self, block: list[tuple[Asked, int]]) -> None:
        """Hand the images of at most one block of rows to those who wait, by one pass in the thread."""
        from gan_aug.synthesis.sampler import make_block

        loop = asyncio.get_running_loop()
        noise, labels = (np.stack(rows) for rows in zip(*((a.noise[k], a.labels[k]) for a, k in block), strict=True))
        try:
            images = await loop.run_in_executor(self._pool, make_block, self.generator, noise, labels)
        except Exception as error:  # noqa: BLE001 - handed to those who wait, each in its own request
            for asked, _ in block:
                if not asked.images.done():
                    asked.images.set_exception(error)
            return
        self._count(len(images), 1)
        for (asked, _), image in zip(block, images, strict=True):
            asked.hand(image)


class Samplers:
    """The generators that were asked for last, each with its Batcher; they share one thread."""

    def __init__(self, count: Count, most: int = Limits().images) -> None:
        """`count` is told of images and the passes they took; one caller may wait for `most` images."""
        self._count, self._waiting = count, Waiting(most)
        self._pool = ThreadPoolExecutor(1, "sampler", _one_thread)
        self._loaded: OrderedDict[tuple[Path, int], Batcher] = OrderedDict()
        self._loading = asyncio.Lock()

    async def of(self, run: Path) -> Batcher:
        """The Batcher of the newest checkpoint in the run folder `run`; raises CheckpointError where there is none."""
        async with self._loading:
            key = await asyncio.to_thread(newest_record, run)
            if key not in self._loaded:
                batcher = await asyncio.get_running_loop().run_in_executor(self._pool, self._load, run)
                self._loaded[key] = batcher
                while len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def let_go(self) -> None:
        """Forget the generators whose checkpoints are not there any more, since their runs were removed."""
        for key in [key for key in self._loaded if not key[0].exists()]:
            del self._loaded[key]

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, run: Path) -> Batcher:
        from gan_aug.gan.state import load_generator, newest_checkpoint

        checkpoint = newest_checkpoint(run / layout.TRAIN / layout.CHECKPOINTS)
        if checkpoint is None:
            raise no_checkpoint(run)
        return Batcher(checkpoint, load_generator(checkpoint), self._pool, self._count, self._waiting)


def _one_thread() -> None:
    """Make images with one thread, as `generate` does: another number can alter the last bits."""
    import torch

    torch.set_num_threads(1)


def rows_can_move(generator: Generator) -> bool:
    """Whether on this machine a row of a block is the same bits wherever it stands in the block."""
    import torch

    from gan_aug.gan.seeds import Purpose, image_noise
    from gan_aug.synthesis.sampler import BLOCK

    noise = torch.from_numpy(image_noise(0, Purpose.SYNTHESIS, range(BLOCK), generator.settings.latent))
    labels = torch.eye(generator.settings.classes)[torch.arange(BLOCK) % generator.settings.classes]
    with torch.no_grad():
        images = generator(noise, labels)
        moved = (generator(noise.roll(step, 0), labels.roll(step, 0)).roll(-step, 0) for step in (1, 7, 31))
        return all(torch.equal(images, other) for other in moved)
