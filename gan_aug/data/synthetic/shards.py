"""Synthetic data sets on disk: shards of images, their labels, and the checkpoint and data set behind them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import SCHEMA, Task, multi_hot, read_record
from gan_aug.errors import ManifestError
from gan_aug.run.artefacts import local_file
from gan_aug.run.files import json_sha256
from gan_aug.run.stores import Place, below, write_file

UNKNOWN = "unknown"
"""The checkpoint of images that another program made."""


@dataclass(frozen=True)
class SyntheticShard:
    """Images `first` to `first + count - 1` of a synthetic set, in the npy file `file` as `(count, C, H, W) uint8`."""

    file: str
    first: int
    count: int
    sha256: str


@dataclass(frozen=True)
class SyntheticManifest:
    """A synthetic data set: its shards, the labels of each image, and the checkpoint that made them.

    An arm checks `dataset` and `trained_images` before it accepts the set. Both stand for the training images without a
    hash of any one of them, by which whoever has a copy of it could tell that it was there.

    Attributes:
        labels: The label names, as in the manifest of the real data set.
        task: `multi-class` or `multi-label`.
        shape: The shape of an image, `(C, H, W)`.
        seed: The seed. Image k depends on `seed`, k and `image_labels[k]` alone.
        checkpoint: The id of the generator's checkpoint; `unknown` if another program made the images.
        dataset: The fingerprint of the data set that the generator was trained on. For images that another program
            made, it is that of the run they were added to.
        trained_on: The content hashes of the real images that the generator was trained on, in sets of versions that
            recorded them; else empty.
        image_labels: The labels of each image, as positions in `labels`.
        shards: The files, in the order of their images.
        parent_trained_on: The content hashes of the images that the GAN was trained on from which the generator's
            training started, in sets of versions that recorded them; else empty.
        trained_images: How many different images the generator was trained on, all of the training split of `dataset`;
            0 if that is not known, or `trained_on` says which.
        parent_images: How many different images the GAN was trained on from which the generator's training started; 0
            if it started anew, or `parent_trained_on` says which.
        parent_elsewhere: How many of these are not in the training split of `dataset`.
        replaced: Pairs of an image's index and the number that it was made from, where an audit put another image in
            place of one that was like a copy; see `gan_aug.privacy`.
    """

    labels: tuple[str, ...]
    task: Task
    shape: tuple[int, int, int]
    seed: int
    checkpoint: str
    dataset: str
    trained_on: tuple[str, ...]
    image_labels: tuple[tuple[int, ...], ...]
    shards: tuple[SyntheticShard, ...]
    parent_trained_on: tuple[str, ...] = ()
    trained_images: int = 0
    parent_images: int = 0
    parent_elsewhere: int = 0
    replaced: tuple[tuple[int, int], ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the labels, the shards' checksums, and the checkpoint and data set behind them."""
        return json_sha256(self._values)

    @property
    def _values(self) -> dict[str, Any]:
        """The same as `asdict`, which would take seconds for a million images, as it copies the labels of each.

        What only some sets have is left out if it is empty, so that other fingerprints are as they always were.
        """
        values = {key: getattr(self, key) for key in self.__dataclass_fields__}
        for key in ("parent_trained_on", "trained_images", "parent_images", "parent_elsewhere", "replaced"):
            if not values[key]:
                del values[key]
        return values | {"shards": [*map(asdict, self.shards)]}

    @property
    def is_traced(self) -> bool:
        """Whether it is known which real images the generator was trained on."""
        return bool(self.trained_on or self.trained_images)

    @property
    def seen(self) -> int:
        """How many different real images the generator was trained on; 0 if that is not known."""
        return self.trained_images or len(self.trained_on)

    def label_matrix(self) -> npt.NDArray[np.float32]:
        """The labels as `(N, K) float32` of zeros and ones."""
        return multi_hot(list(self.image_labels), len(self.labels))

    def counts(self) -> dict[str, int]:
        """The number of images with each label."""
        sums = self.label_matrix().sum(axis=0)
        return {name: int(sums[k]) for k, name in enumerate(self.labels)}

    @property
    def origin(self) -> dict[str, Any]:
        """What all images were made from, as JSON values, for what leaves: no hash of a training image, only counts."""
        return {
            "checkpoint": self.checkpoint,
            "seed": self.seed,
            "images": len(self.image_labels),
            "labels": list(self.labels),
            "dataset": self.dataset,
            "trained_images": self.seen or UNKNOWN,
        }

    def number(self, index: int) -> int:
        """The number from which image `index` was made: its index, or that of the image that took its place."""
        return self._numbers.get(index, index)

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return dict(self.replaced)

    def made_from(self, index: int) -> dict[str, Any]:
        """What image `index` was made from, as JSON values; for its own file, so no hash of a training image."""
        labels = [self.labels[k] for k in self.image_labels[index]]
        return {"checkpoint": self.checkpoint, "seed": self.seed, "number": self.number(index), "labels": labels}

    def save(self, file: Place) -> None:
        """Write the manifest as JSON. The file appears complete or not at all."""
        record = {"schema": SCHEMA, "fingerprint": self.fingerprint, **self._values}
        write_file(file, (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode())

    @classmethod
    def load(cls, path: Place) -> SyntheticManifest:
        """Read a synthetic manifest; raises ManifestError if it is absent, incomplete or altered."""
        record: dict[str, Any] = read_record(path, "synthetic manifest")
        fingerprint = record.pop("fingerprint", None)
        try:
            shards = tuple(SyntheticShard(**shard) for shard in record.pop("shards"))
            image_labels = tuple(tuple(labels) for labels in record.pop("image_labels"))
            tuples: dict[str, Any] = {key: tuple(record.pop(key)) for key in ("labels", "shape", "trained_on")}
            tuples["parent_trained_on"] = tuple(record.pop("parent_trained_on", ()))
            tuples["replaced"] = tuple((position, number) for position, number in record.pop("replaced", ()))
            manifest = cls(shards=shards, image_labels=image_labels, **tuples, **record)
        except (KeyError, TypeError) as error:
            raise ManifestError(f"{path} lacks or mistypes {error}: generate the set again") from error
        if manifest.fingerprint != fingerprint:
            raise ManifestError(f"{path} was altered after it was written: generate the set again")
        return manifest


def shard_bytes(images: npt.NDArray[np.uint8]) -> bytes:
    """Images `(N, C, H, W) uint8` as the content of an npy file."""
    buffer = io.BytesIO()
    np.save(buffer, images, allow_pickle=False)
    return buffer.getvalue()


class ShardedImages:
    """The images of a synthetic set, `(N, C, H, W) uint8`, read by position from memory-mapped files of this host.

    All processes of a host share the pages, so memory does not grow with the set or with the number of workers.
    """

    def __init__(self, shards: Sequence[npt.NDArray[np.uint8]], shape: tuple[int, int, int]) -> None:
        """Join `shards`, each `(n, C, H, W) uint8`; `shape` is `(C, H, W)`."""
        self._shards = shards
        self._starts = np.cumsum([0, *map(len, shards)])
        self.shape = (int(self._starts[-1]), *shape)

    def __len__(self) -> int:
        """The number of images."""
        return self.shape[0]

    def __getitem__(self, positions: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.uint8]:
        """Copies of the images at `positions` (`(B,) int64` or a slice), `(B, C, H, W) uint8`."""
        rows = np.arange(len(self))[positions] if isinstance(positions, slice) else positions
        images = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        of_shard = np.searchsorted(self._starts, rows, side="right") - 1
        for k in np.unique(of_shard):
            images[of_shard == k] = self._shards[k][rows[of_shard == k] - self._starts[k]]
        return images

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The images one at a time, `(C, H, W) uint8`."""
        for shard in self._shards:
            yield from shard


def open_shards(place: Place, manifest: SyntheticManifest) -> ShardedImages:
    """The images of the synthetic set at `place`, each shard checked against its checksum.

    Shards in an object store are downloaded to the user's cache first, once per host. Raises ManifestError that names
    a shard if it is absent or altered.
    """
    return ShardedImages([open_shard(place, shard, manifest.shape) for shard in manifest.shards], manifest.shape)


def read_images(place: Place, manifest: SyntheticManifest) -> npt.NDArray[np.uint8]:
    """All images of a synthetic set in memory, `(N, C, H, W) uint8`; raises ManifestError like `open_shards`."""
    return open_shards(place, manifest)[:]


def read_shard(place: Place, shard: SyntheticShard) -> npt.NDArray[np.uint8]:
    """The images of one shard, `(count, C, H, W) uint8`, memory-mapped; raises ManifestError if absent or altered."""
    path = local_file(place, shard.file, shard.sha256)
    if path is None:
        raise ManifestError(
            f"shard {below(place, shard.file)} is absent or altered: "
            "run `gan-aug generate` on this run to make it again"
        )
    images: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def open_shard(place: Place, shard: SyntheticShard, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """The images of one shard, memory-mapped; raises ManifestError if absent, altered, or not of `(C, H, W)` uint8."""
    images = read_shard(place, shard)
    if images.dtype != np.uint8 or images.shape != (shard.count, *shape):
        raise ManifestError(
            f"shard {below(place, shard.file)} holds {images.shape} {images.dtype}, but its manifest says "
            f"{(shard.count, *shape)} uint8: run `gan-aug generate` on this run to make the set again"
        )
    return images
