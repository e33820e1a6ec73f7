"""Synthetic sets on disk that no GAN made: quick, and of any shape and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, write_bytes

CHECKPOINT = "c0ffee" * 10 + "0123"


def write_set(
    folder: Path,
    image_labels: Sequence[tuple[int, ...]],
    shape: tuple[int, int, int] = (1, 16, 12),
    labels: tuple[str, ...] = ("normal", "肺炎"),
    shard: int = 40,
    **values: Any,
) -> SyntheticManifest:
    """A set of noise in `folder` with an image for each of `image_labels`, in shards of `shard` images."""
    images = np.random.default_rng(0).integers(0, 256, (len(image_labels), *shape), dtype=np.uint8)
    shards = []
    for first in range(0, len(images), shard):
        name = f"{layout.shard(first // shard)}.npy"
        write_bytes(folder / name, shard_bytes(images[first : first + shard]))
        shards.append(SyntheticShard(name, first, len(images[first : first + shard]), file_sha256(folder / name)))
    facts = {"seed": 7, "checkpoint": CHECKPOINT, "dataset": "f" * 64, "trained_on": ("1" * 64,)} | values
    made = SyntheticManifest(
        labels=labels,
        task="multi-label" if any(len(own) != 1 for own in image_labels) else "multi-class",
        shape=shape,
        image_labels=tuple(image_labels),
        shards=tuple(shards),
        **facts,
    )
    made.save(folder / layout.MANIFEST)
    return made
