"""A synthetic set on disk: planned, written shard by shard, verified, and resumed where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from gan_aug.compute.executor import Executor
from gan_aug.data.manifest import multi_hot
from gan_aug.data.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.errors import CheckpointError
from gan_aug.gan.networks import Generator
from gan_aug.gan.state import Checkpoint, load_generator, read_checkpoint
from gan_aug.run import file_sha256, write_bytes, write_json
from gan_aug.synthesis.plan import Labels
from gan_aug.synthesis.sampler import sample


def write_synthetic_set(
    checkpoint: Checkpoint,
    plan: tuple[Labels, ...],
    folder: Path,
    executor: Executor,
    *,
    seed: int,
    shard_size: int,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SyntheticManifest:
    """Write the planned images as shards in `folder`, skipping whole ones, then the manifest; return it.

    Raises Cancelled when `cancelled` says so, with finished shards kept.
    """
    if checkpoint.task not in ("multi-class", "multi-label"):
        raise CheckpointError(f"{checkpoint.path} names the task {checkpoint.task!r}: train again with this version")
    starts = range(0, len(plan), shard_size)
    work = partial(_write_shard, folder=folder, plan=plan, seed=seed, shard_size=shard_size, checkpoint=checkpoint.id)
    shards: list[SyntheticShard | None] = [None] * len(starts)
    done = 0
    setup = partial(_load, checkpoint.path)
    for index, shard in executor.map(work, starts, setup=setup, cancelled=cancelled):
        shards[index] = shard
        done += shard.count
        if progress:
            progress(done, len(plan))
    manifest = SyntheticManifest(
        labels=checkpoint.labels,
        task="multi-class" if checkpoint.task == "multi-class" else "multi-label",
        shape=checkpoint.networks.shape,
        seed=seed,
        checkpoint=checkpoint.id,
        dataset=checkpoint.dataset,
        trained_on=checkpoint.trained_on,
        image_labels=plan,
        shards=tuple(shard for shard in shards if shard is not None),
    )
    manifest.save(folder / "manifest.json")
    return manifest


def _load(path: Path) -> Generator:
    torch.set_num_threads(1)
    return load_generator(read_checkpoint(path))


def _write_shard(
    generator: Generator,
    first: int,
    *,
    folder: Path,
    plan: tuple[Labels, ...],
    seed: int,
    shard_size: int,
    checkpoint: str,
) -> SyntheticShard:
    """Write images `first` to `first + shard_size - 1`, unless a whole shard of the same origin is there."""
    name = f"shard-{first // shard_size:05d}"
    count = min(shard_size, len(plan) - first)
    origin = {"checkpoint": checkpoint, "seed": seed, "first": first, "count": count}
    known = _finished(folder, name, origin)
    if known:
        return known
    labels = multi_hot(list(plan[first : first + count]), generator.settings.classes)
    write_bytes(folder / f"{name}.npy", shard_bytes(sample(generator, labels, seed=seed, first=first)))
    shard = SyntheticShard(f"{name}.npy", first, count, file_sha256(folder / f"{name}.npy"))
    write_json(folder / f"{name}.json", {**origin, "sha256": shard.sha256})
    return shard


def _finished(folder: Path, name: str, origin: dict[str, object]) -> SyntheticShard | None:
    try:
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        sha256 = record.pop("sha256")
        if record != origin or file_sha256(folder / f"{name}.npy") != sha256:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return SyntheticShard(f"{name}.npy", record["first"], record["count"], sha256)
