"""Read items in order: each gives its image or a reason why not. A pool of processes survives decoders that crash."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from gan_aug.compute.local.crash_safe_pool import CrashSafePool, Lost
from gan_aug.data.assumptions import collected
from gan_aug.data.items import Item, Pixels, Reading
from gan_aug.data.manifest import content_hash
from gan_aug.data.reading.image_cache import CacheFolder, ImageCache
from gan_aug.data.reading.raster import Raster, has_colour
from gan_aug.errors import DataError

SAMPLED_IMAGES = 64
"""How many images are decoded to find out whether a data set is grey or coloured."""

CHUNK_BYTES = 1 << 20
"""A process decodes about this many bytes of stored images before it gets its next items."""

COLOURED = "coloured"

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

Read = Callable[[], Pixels]
IsCancelled = Callable[[], bool]


@dataclass(frozen=True)
class Reader:
    """How items are read.

    Attributes:
        pool: The processes that decode files; without it, this process decodes them. Items without a file of their own
            are always read in this process.
        cache: Where images decoded before are taken from, or None.
        cancelled: Says whether the reading shall stop, or None.
    """

    pool: CrashSafePool | None = None
    cache: CacheFolder | None = None
    cancelled: IsCancelled | None = None

    def channels(self, items: Sequence[Item]) -> int:
        """3 if an image of a sample has colour, else 1. RGB files are decoded too, as they are often grey films."""
        sample = items[:: max(1, len(items) // SAMPLED_IMAGES)]
        key = self.cache.files_key(sample) if self.cache else None
        if self.cache and key and (known := self.cache.recall("channels", key)) in ("1", "3"):
            return int(known)
        found = 3 if COLOURED in set(self._read(_colour, sample, chunk=4)) else 1
        if self.cache and key:
            self.cache.remember("channels", key, str(found))
        return found

    def readings(self, items: Sequence[Item], raster: Raster) -> Generator[Reading | str, None, None]:
        """The reading of every item in order, or the reason why the item cannot be used."""
        if self.cache is None or not any(item.file for item in items):
            yield from self._decoded(items, raster)
            return
        with self.cache.images(raster) as cache:
            yield from self._cached(items, raster, cache)

    def _cached(self, items: Sequence[Item], raster: Raster, cache: ImageCache) -> Iterator[Reading | str]:
        positions = cache.find(items)
        decoded = self._decoded([item for item, found in zip(items, positions, strict=True) if found < 0], raster)
        for number, (item, position) in enumerate(zip(items, positions.tolist(), strict=True)):
            reading = cache.read(position) if position >= 0 else None
            if reading is None:
                # An image with a damaged entry was decoded before without a crash: this process can decode it again.
                new = next(decoded) if position < 0 else read_item(raster, item.read)
                if isinstance(new, Reading):
                    cache.keep(number, item, new)
                yield new
            else:
                yield reading

    def _decoded(self, items: Sequence[Item], raster: Raster) -> Iterator[Reading | str]:
        chunk = max(1, min(32, CHUNK_BYTES // int(np.prod(raster.shape))))
        return self._read(partial(read_item, raster), items, chunk)

    def _read(self, work: Callable[[Read], Answer | str], items: Sequence[Item], chunk: int) -> Iterator[Answer | str]:
        # Only `read` goes to other processes: the patient's identifier stays in this one.
        reads = [item.read for item in items]
        return self.map(work, reads, chunk) if all(item.file for item in items) else map(work, reads)

    def map(
        self, work: Callable[[Argument], Answer | str], arguments: Sequence[Argument], chunk: int
    ) -> Iterator[Answer | str]:
        """Call `work` with each of `arguments`, in the pool if there is one.

        Args:
            work: An importable function, or a partial of one, that returns its answer or a reason.
            arguments: One for each call.
            chunk: How many arguments a process gets at a time.

        Yields:
            The answer of each call in order, or the reason why there is none.

        Raises:
            Cancelled: If `cancelled` says so and there is a pool.
        """
        if self.pool is None:
            yield from map(work, arguments)
            return
        for result in self.pool.map(work, arguments, chunk=chunk, cancelled=self.cancelled):
            yield _reason(result, self.pool.limit) if isinstance(result, Lost) else result


def read_item(raster: Raster, read: Read) -> Reading | str:
    """The pixels that `read` decodes, as a stored image, or the reason why they cannot be used."""
    try:
        with collected() as assumed:
            pixels = read()
            image = raster(pixels)
    except DataError as error:
        return str(error)
    except MemoryError:
        return "there is not enough memory to decode it"
    height, width = pixels.shape[:2]
    return Reading(image, content_hash(image), (height, width), has_colour(pixels), assumed.flags)


def _colour(read: Read) -> str:
    try:
        return COLOURED if has_colour(read()) else "grey"
    except (DataError, MemoryError):
        return "unknown"  # it is set aside with its reason when it is read for the import


def _reason(lost: Lost, limit: float) -> str:
    return f"took longer than {limit:g} s" if lost.reason == "slow" else "decoding it ended its process"
