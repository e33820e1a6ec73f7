"""A synthetic set on disk: planned, written shard by shard, verified, and resumed where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.compute.executor import Executor
from gan_aug.data.manifest import multi_hot
from gan_aug.data.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.errors import CheckpointError
from gan_aug.gan.networks import Generator
from gan_aug.gan.state import Checkpoint, load_generator, read_checkpoint
from gan_aug.run import file_sha256, write_bytes, write_json
from gan_aug.synthesis.plan import Labels
from gan_aug.synthesis.sampler import sample


@dataclass(frozen=True)
class PlannedShard:
    """One shard to make: the images from `first` on with these labels, by one checkpoint and seed."""

    name: str
    checkpoint: str
    seed: int
    first: int
    labels: tuple[Labels, ...]

    @property
    def origin(self) -> dict[str, object]:
        """What its bytes follow from, as JSON values."""
        labels = [list(own) for own in self.labels]
        return {"checkpoint": self.checkpoint, "seed": self.seed, "first": self.first, "labels": labels}


def write_synthetic_set(
    checkpoint: Checkpoint,
    plan: tuple[Labels, ...],
    folder: Path,
    executor: Executor,
    *,
    seed: int,
    shard_size: int,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SyntheticManifest:
    """Write the planned images as shards in `folder`, skipping whole ones, then the manifest; return it.

    `device` is compute.device, which each worker chooses by for itself. Raises Cancelled when `cancelled` says so, with
    finished shards kept.
    """
    if checkpoint.task not in ("multi-class", "multi-label"):
        raise CheckpointError(f"{checkpoint.path} names the task {checkpoint.task!r}: train again with this version")
    planned = [
        PlannedShard(f"shard-{first // shard_size:05d}", checkpoint.id, seed, first, plan[first : first + shard_size])
        for first in range(0, len(plan), shard_size)
    ]
    shards = {shard.name: found for shard in planned if (found := _finished(folder, shard))}
    missing = [shard for shard in planned if shard.name not in shards]
    work, setup = partial(_write_shard, folder=folder), partial(_load, checkpoint.path, device)
    for index, shard in executor.map(work, missing, setup=setup, cancelled=cancelled):
        shards[missing[index].name] = shard
        if progress:
            progress(sum(made.count for made in shards.values()), len(plan))
    manifest = SyntheticManifest(
        labels=checkpoint.labels,
        task="multi-class" if checkpoint.task == "multi-class" else "multi-label",
        shape=checkpoint.networks.shape,
        seed=seed,
        checkpoint=checkpoint.id,
        dataset=checkpoint.dataset,
        trained_on=checkpoint.trained_on,
        image_labels=plan,
        shards=tuple(shards[shard.name] for shard in planned),
    )
    manifest.save(folder / "manifest.json")
    return manifest


def _load(path: Path, device: str) -> Generator:
    torch.set_num_threads(1)
    return load_generator(read_checkpoint(path)).to(choose_device(device))


def _write_shard(generator: Generator, planned: PlannedShard, *, folder: Path) -> SyntheticShard:
    """Make one shard's images and write them, then their sum."""
    labels = multi_hot(list(planned.labels), generator.settings.classes)
    path = folder / f"{planned.name}.npy"
    write_bytes(path, shard_bytes(sample(generator, labels, seed=planned.seed, first=planned.first)))
    shard = SyntheticShard(path.name, planned.first, len(planned.labels), file_sha256(path))
    write_json(folder / f"{planned.name}.json", {**planned.origin, "sha256": shard.sha256})
    counters.count("images", shard.count)
    counters.count("shards")
    return shard


def _finished(folder: Path, planned: PlannedShard) -> SyntheticShard | None:
    """The shard, where a whole one of the same origin is there."""
    path = folder / f"{planned.name}.npy"
    try:
        record = json.loads((folder / f"{planned.name}.json").read_text(encoding="utf-8"))
        sha256 = record.pop("sha256")
        if record != planned.origin or file_sha256(path) != sha256:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return SyntheticShard(path.name, planned.first, len(planned.labels), sha256)
