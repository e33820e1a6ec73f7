"""Synthetic data sets on disk: shards of images with their labels, and where they come from."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import SCHEMA, Task, multi_hot, read_record
from gan_aug.errors import ManifestError
from gan_aug.run import file_sha256, json_sha256, write_json


@dataclass(frozen=True)
class SyntheticShard:
    """Images `first` to `first + count - 1` of a synthetic set, in `file` as `(count, C, H, W) uint8` npy."""

    file: str
    first: int
    count: int
    sha256: str


@dataclass(frozen=True)
class SyntheticManifest:
    """A synthetic data set: its shards, the label of each image, and the checkpoint that made them.

    Image k comes from (`seed`, k) and `image_labels[k]` alone. `trained_on` are the content hashes of the real images
    the generator was trained on and `fingerprint_of_data` their manifest's: what an arm checks before it accepts it.
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

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the labels, the shards' sums and the chain behind them."""
        return json_sha256(asdict(self))

    def label_matrix(self) -> npt.NDArray[np.float32]:
        """Labels as `(N, K) float32` of zeros and ones."""
        return multi_hot(list(self.image_labels), len(self.labels))

    def counts(self) -> dict[str, int]:
        """How many images there are of each label."""
        sums = self.label_matrix().sum(axis=0)
        return {name: int(sums[k]) for k, name in enumerate(self.labels)}

    def save(self, path: Path) -> None:
        """Write the manifest as JSON, whole or not at all."""
        write_json(path, {"schema": SCHEMA, "fingerprint": self.fingerprint, **asdict(self)}, indent=None)

    @classmethod
    def load(cls, path: Path) -> SyntheticManifest:
        """Read a synthetic manifest; raises ManifestError when it is absent, torn or altered."""
        record: dict[str, Any] = read_record(path, "synthetic manifest")
        fingerprint = record.pop("fingerprint", None)
        try:
            shards = tuple(SyntheticShard(**shard) for shard in record.pop("shards"))
            image_labels = tuple(tuple(labels) for labels in record.pop("image_labels"))
            tuples: dict[str, Any] = {key: tuple(record.pop(key)) for key in ("labels", "shape", "trained_on")}
            manifest = cls(shards=shards, image_labels=image_labels, **tuples, **record)
        except (KeyError, TypeError) as error:
            raise ManifestError(f"{path} lacks or mistypes {error}: generate the set again") from error
        if manifest.fingerprint != fingerprint:
            raise ManifestError(f"{path} was altered after it was written: generate the set again")
        return manifest


def shard_bytes(images: npt.NDArray[np.uint8]) -> bytes:
    """Images `(N, C, H, W) uint8` as the bytes of an npy file."""
    buffer = io.BytesIO()
    np.save(buffer, images, allow_pickle=False)
    return buffer.getvalue()


def read_images(folder: Path, manifest: SyntheticManifest) -> npt.NDArray[np.uint8]:
    """All images of a synthetic set, `(N, C, H, W) uint8`, each shard checked against its sum.

    Raises ManifestError naming the shard that is absent or altered.
    """
    images = np.empty((len(manifest.image_labels), *manifest.shape), dtype=np.uint8)
    for shard in manifest.shards:
        images[shard.first : shard.first + shard.count] = read_shard(folder, shard)
    return images


def read_shard(folder: Path, shard: SyntheticShard) -> npt.NDArray[np.uint8]:
    """One shard's images `(count, C, H, W) uint8`; raises ManifestError when it is absent or altered."""
    path = folder / shard.file
    if not path.is_file() or file_sha256(path) != shard.sha256:
        raise ManifestError(f"shard {path} is absent or altered: run `gan-aug generate` on this run to make it again")
    images: npt.NDArray[np.uint8] = np.load(path, allow_pickle=False)
    return images
