"""Turns images made elsewhere into a synthetic set: resizes them to the data set's shape and writes them as shards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.raster import Raster
from gan_aug.data.synthetic.external import ExternalImages, Labels
from gan_aug.data.synthetic.shards import UNKNOWN, SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.errors import Cancelled
from gan_aug.run import layout
from gan_aug.run.files import storage_errors
from gan_aug.run.stores import Place, open_store


def write_external_set(
    external: ExternalImages,
    manifest: Manifest,
    place: Place,
    raster: Raster,
    scratch: Path,
    *,
    shard_size: int,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[SyntheticManifest, int]:
    """Write the images as shards.

    Classes are mixed evenly, as in a plan, because an arm may take only the first images. Memory does not grow with the
    set: the resized images are kept in an unnamed temporary file.

    Args:
        external: The images and their labels.
        manifest: The data set to which they belong.
        place: Where the shards are written.
        raster: How pixels become images of the data set's shape.
        scratch: The folder of the temporary file.
        shard_size: Images per shard.
        progress: Called with (done, total).
        cancelled: Asked before each image whether to stop.

    Returns:
        The set's manifest, which the caller saves, and how many images had to be resized or converted.

    Raises:
        DataError: An image cannot be read.
        Cancelled: `cancelled` returned True.
        StorageError: The disk is full or read-only.
    """
    total, fitted = len(external.labels), 0
    with storage_errors(scratch), TemporaryFile(dir=scratch) as file:
        for row, pixels in enumerate(external.pixels()):
            if cancelled and cancelled():
                raise Cancelled(f"stopped after {row} of {total} synthetic images: run it again")
            file.write(raster(pixels).data)
            fitted += not _fits(pixels, raster)
            if progress and ((row + 1) % max(1, total // 100) == 0 or row + 1 == total):
                progress(row + 1, total)
        file.flush()
        images = np.memmap(file, np.uint8, "r", shape=(total, *raster.shape))
        order = mixed_order(external.labels)
        shards = tuple(
            _write_shard(place, number, first, images[order[first : first + shard_size]])
            for number, first in enumerate(range(0, total, shard_size))
        )
    synthetic = SyntheticManifest(
        labels=manifest.labels,
        task=manifest.task,
        shape=manifest.shape,
        seed=0,
        checkpoint=UNKNOWN,
        dataset=manifest.fingerprint,
        trained_on=(),
        image_labels=tuple(external.labels[row] for row in order),
        shards=shards,
    )
    return synthetic, fitted


def mixed_order(labels: tuple[Labels, ...]) -> list[int]:
    """The rows in an order that mixes classes evenly from start to end; an order made by `plan_labels` is kept."""
    counts, seen = Counter(labels), Counter[Labels]()
    positions = []
    for row, own in enumerate(labels):
        positions.append(((seen[own] + 0.5) / counts[own], own, row))
        seen[own] += 1
    return [row for _, _, row in sorted(positions)]


def _fits(pixels: npt.NDArray[np.generic], raster: Raster) -> bool:
    """Whether an image has the data set's size and channels, and 8 bits."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return (channels, *pixels.shape[:2]) == raster.shape and pixels.dtype == np.uint8


def _write_shard(place: Place, number: int, first: int, images: npt.NDArray[np.uint8]) -> SyntheticShard:
    content = shard_bytes(np.ascontiguousarray(images))
    shard = SyntheticShard(f"{layout.shard(number)}.npy", first, len(images), hashlib.sha256(content).hexdigest())
    open_store(place).write(shard.file, content)
    return shard
