"""Reading files: each gives its image, or a reason why not, in order, here or in processes that may die."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from gan_aug.compute.local.crash_safe_pool import CrashSafePool, Lost
from gan_aug.data.items import Item, Pixels, Reading
from gan_aug.data.manifest import content_hash
from gan_aug.data.reading.image_cache import CacheFolder, ImageCache
from gan_aug.data.reading.raster import Raster, has_colour
from gan_aug.errors import DataError

PROBED = 64
"""How many images are looked at to tell grey sets from coloured ones."""

CHUNK_BYTES = 1 << 20
"""About this many bytes of stored images go to a process at a time."""

COLOURED = "coloured"

Given = TypeVar("Given")
Found = TypeVar("Found")

Read = Callable[[], Pixels]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Reader:
    """How items are read: in `pool` where there is one and they are files, taken from `cache` where they are there."""

    pool: CrashSafePool | None = None
    cache: CacheFolder | None = None
    cancelled: Cancelled | None = None

    def channels(self, items: Sequence[Item]) -> int:
        """3 where one of some images spread over the set has colour, else 1: grey films are often stored as RGB."""
        probed = items[:: max(1, len(items) // PROBED)]
        key = self.cache.files_key(probed) if self.cache else None
        if self.cache and key and (known := self.cache.recall("channels", key)) in ("1", "3"):
            return int(known)
        found = 3 if COLOURED in set(self._read(_colour, probed, chunk=4)) else 1
        if self.cache and key:
            self.cache.remember("channels", key, str(found))
        return found

    def readings(self, items: Sequence[Item], raster: Raster) -> Generator[Reading | str, None, None]:
        """The reading of every item in order, or the reason why there is none."""
        if self.cache is None or not any(item.file for item in items):
            yield from self._fresh(items, raster)
            return
        with self.cache.images(raster) as cache:
            yield from self._cached(items, raster, cache)

    def _cached(self, items: Sequence[Item], raster: Raster, cache: ImageCache) -> Iterator[Reading | str]:
        places = cache.find(items)
        fresh = self._fresh([item for item, place in zip(items, places, strict=True) if place < 0], raster)
        for number, (item, place) in enumerate(zip(items, places.tolist(), strict=True)):
            reading = cache.read(place) if place >= 0 else None
            if reading is None:
                # One that was cached did no harm when it was decoded: it is safe to do so here.
                new = next(fresh) if place < 0 else read_item(raster, item.read)
                if isinstance(new, Reading):
                    cache.keep(number, item, new)
                yield new
            else:
                yield reading

    def _fresh(self, items: Sequence[Item], raster: Raster) -> Iterator[Reading | str]:
        chunk = max(1, min(32, CHUNK_BYTES // int(np.prod(raster.shape))))
        return self._read(partial(read_item, raster), items, chunk)

    def _read(self, work: Callable[[Read], Found | str], items: Sequence[Item], chunk: int) -> Iterator[Found | str]:
        # Only `read` travels: whose image it is stays here.
        reads = [item.read for item in items]
        return self.map(work, reads, chunk) if all(item.file for item in items) else map(work, reads)

    def map(self, work: Callable[[Given], Found | str], given: Sequence[Given], chunk: int) -> Iterator[Found | str]:
        """`work` of each of `given`, `chunk` at a time in the pool where there is one, or why there is no answer.

        Raises Cancelled when `cancelled` says so.
        """
        if self.pool is None:
            yield from map(work, given)
            return
        for result in self.pool.map(work, given, chunk=chunk, cancelled=self.cancelled):
            yield _reason(result, self.pool.limit) if isinstance(result, Lost) else result


def read_item(raster: Raster, read: Read) -> Reading | str:
    """What `read` gives, as a stored image, or the reason why it cannot be one."""
    try:
        pixels = read()
        image = raster(pixels)
    except DataError as error:
        return str(error)
    except MemoryError:
        return "there is not enough memory to decode it"
    height, width = pixels.shape[:2]
    return Reading(image, content_hash(image), (height, width), has_colour(pixels))


def _colour(read: Read) -> str:
    try:
        return COLOURED if has_colour(read()) else "grey"
    except (DataError, MemoryError):
        return "unknown"  # set aside with its reason when its turn comes


def _reason(lost: Lost, limit: float) -> str:
    return f"took longer than {limit:g} s" if lost.reason == "slow" else "decoding it ended its process"
