"""Single images of a synthetic set: read from its memory-mapped shards, each checked against its sum once."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, read_shard
from gan_aug.run import layout
from gan_aug_service.products.files import written

MANIFEST = f"{layout.SYNTHETIC}/{layout.MANIFEST}"
SETS, SHARDS = 8, 64
"""Manifests and open shards that are remembered."""


@dataclass(frozen=True)
class SetImage:
    """Image `index` of a set: its labels, and the file and row where it lies."""

    index: int
    labels: tuple[str, ...]
    shard: SyntheticShard

    @property
    def row(self) -> int:
        """Its row in the shard's file."""
        return self.index - self.shard.first


def manifest_of(run: Path) -> SyntheticManifest:
    """The manifest of the synthetic set in a run folder; raises ManifestError or, where it was removed, Problem."""
    return _manifest(run / MANIFEST, written(run, MANIFEST))


def indices_of(run: Path, label: int | None) -> npt.NDArray[np.int64]:
    """Which images of the set carry the label at a position, in rising order; all of them where that is None."""
    return _indices(run / MANIFEST, written(run, MANIFEST), label)


def image_at(manifest: SyntheticManifest, index: int) -> SetImage:
    """Where image `index`, from 0 to one less than there are, comes from."""
    starts = [shard.first for shard in manifest.shards]
    shard = manifest.shards[bisect_right(starts, index) - 1]
    labels = tuple(manifest.labels[label] for label in manifest.image_labels[index])
    return SetImage(index, labels, shard)


def pixels(run: Path, image: SetImage) -> npt.NDArray[np.uint8]:
    """An image's pixels, `(C, H, W) uint8`; raises ManifestError where its shard is absent or altered."""
    folder = run / layout.SYNTHETIC
    written = (folder / image.shard.file).stat().st_mtime_ns if (folder / image.shard.file).exists() else 0
    return np.array(_shard(folder, image.shard, written)[image.row])


def forget() -> None:
    """Close and forget all sets: an open shard takes its room on the disk even after it was removed."""
    for remembered in (_manifest, _indices, _shard):
        remembered.cache_clear()


@lru_cache(maxsize=SETS)
def _manifest(path: Path, written: int) -> SyntheticManifest:
    del written  # a part of the key: a manifest written anew is read anew
    return SyntheticManifest.load(path)


@lru_cache(maxsize=4 * SETS)
def _indices(path: Path, written: int, label: int | None) -> npt.NDArray[np.int64]:
    image_labels = _manifest(path, written).image_labels
    return np.array([k for k, labels in enumerate(image_labels) if label is None or label in labels], dtype=np.int64)


@lru_cache(maxsize=SHARDS)
def _shard(folder: Path, shard: SyntheticShard, written: int) -> npt.NDArray[np.uint8]:
    del written
    return read_shard(folder, shard)
