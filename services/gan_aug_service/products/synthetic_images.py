"""Single images of a synthetic set, read from its memory-mapped shards; each shard's checksum is checked once."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, read_shard
from gan_aug.run import layout
from gan_aug_service.products.files import modified_ns

SETS, SHARDS = 8, 64
"""Manifests and open shards that are cached."""


@dataclass(frozen=True)
class SyntheticImage:
    """Image `index` of a set: its labels, and the shard that holds it."""

    index: int
    labels: tuple[str, ...]
    shard: SyntheticShard

    @property
    def row(self) -> int:
        """Its row in the shard's file."""
        return self.index - self.shard.first


def set_folder(run: Path) -> Path:
    """The folder of a run's synthetic set; the one that leaves may be another (products/release.py)."""
    return run / layout.SYNTHETIC


def load_manifest(place: Path) -> SyntheticManifest:
    """The manifest of the set in a folder; raises ManifestError if it is damaged, Problem if it was removed."""
    return _manifest(place / layout.MANIFEST, written_ns(place))


def image_indices(place: Path, label: int | None) -> npt.NDArray[np.int64]:
    """The indices of the images with the label of this index, in rising order; all of them if that is None."""
    return _indices(place / layout.MANIFEST, written_ns(place), label)


def written_ns(place: Path) -> int:
    """When the set in a folder of a run was written, in nanoseconds; raises Problem if it was removed."""
    return modified_ns(place.parent, f"{place.name}/{layout.MANIFEST}")


def locate_image(manifest: SyntheticManifest, index: int) -> SyntheticImage:
    """Image `index` of the set, from 0 on; it must exist."""
    starts = [shard.first for shard in manifest.shards]
    shard = manifest.shards[bisect_right(starts, index) - 1]
    labels = tuple(manifest.labels[label] for label in manifest.image_labels[index])
    return SyntheticImage(index, labels, shard)


def pixels(place: Path, image: SyntheticImage) -> npt.NDArray[np.uint8]:
    """An image's pixels, `(C, H, W) uint8`; raises ManifestError if its shard is missing or was altered."""
    written = (place / image.shard.file).stat().st_mtime_ns if (place / image.shard.file).exists() else 0
    return np.array(_shard(place, image.shard, written)[image.row])


def clear_cache() -> None:
    """Close all shards and clear all caches: a file that is open takes space on the disk even after its removal."""
    for cached in (_manifest, _indices, _shard):
        cached.cache_clear()


@lru_cache(maxsize=SETS)
def _manifest(path: Path, written: int) -> SyntheticManifest:
    del written  # it makes a manifest that was written again another entry of the cache
    return SyntheticManifest.load(path)


@lru_cache(maxsize=4 * SETS)
def _indices(path: Path, written: int, label: int | None) -> npt.NDArray[np.int64]:
    image_labels = _manifest(path, written).image_labels
    return np.array([k for k, labels in enumerate(image_labels) if label is None or label in labels], dtype=np.int64)


@lru_cache(maxsize=SHARDS)
def _shard(folder: Path, shard: SyntheticShard, written: int) -> npt.NDArray[np.uint8]:
    del written
    return read_shard(folder, shard)
