"""A synthetic set on disk: planned, written shard by shard, verified, and resumed where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.compute.executor import Executor
from gan_aug.data.manifest import multi_hot
from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.errors import CheckpointError
from gan_aug.gan.networks.dcgan import Generator
from gan_aug.gan.state import RECORD, Checkpoint, load_generator, read_checkpoint
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy, is_intact
from gan_aug.run.stores import MissingObject, Place, below, open_store
from gan_aug.synthesis.plan import Labels
from gan_aug.synthesis.sampler import sample

LOOKERS = 8
"""Shards looked at side by side for whether they are whole."""


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
    place: Place,
    executor: Executor,
    *,
    seed: int,
    shard_size: int,
    stored: Place | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SyntheticManifest:
    """Write the planned images as shards at `place`, skipping whole ones, then the manifest; return it.

    The workers write there themselves; one that lacks the checkpoint's folder fetches it from `stored`. `device` is
    compute.device, which each worker chooses by for itself. Raises Cancelled when `cancelled` says so, with finished
    shards kept.
    """
    if checkpoint.task not in ("multi-class", "multi-label"):
        raise CheckpointError(f"{checkpoint.path} names the task {checkpoint.task!r}: train again with this version")
    planned = [
        PlannedShard(layout.shard(first // shard_size), checkpoint.id, seed, first, plan[first : first + shard_size])
        for first in range(0, len(plan), shard_size)
    ]
    shards = {shard.name: made for shard, made in _all_finished(place, planned)}
    missing = [shard for shard in planned if shard.name not in shards]
    work, setup = partial(_write_shard, place=place), partial(_load, checkpoint.path, checkpoint.id, stored, device)
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
    manifest.save(below(place, layout.MANIFEST))
    return manifest


def is_whole(manifest: SyntheticManifest, place: Place) -> bool:
    """Whether every shard of a set that was made here stands at `place`, unaltered."""
    planned = [
        PlannedShard(
            Path(shard.file).stem,
            manifest.checkpoint,
            manifest.seed,
            shard.first,
            manifest.image_labels[shard.first : shard.first + shard.count],
        )
        for shard in manifest.shards
    ]
    return [made for _, made in _all_finished(place, planned)] == list(manifest.shards)


def _load(path: Path, checkpoint: str, stored: Place | None, device: str) -> Generator:
    torch.set_num_threads(1)
    found = read_checkpoint(local_copy(path, stored, RECORD))
    if found.id != checkpoint:
        raise CheckpointError(f"{found.path} is another checkpoint than the run's: remove it there and resume the run")
    return load_generator(found).to(choose_device(device))


def _write_shard(generator: Generator, planned: PlannedShard, *, place: Place) -> SyntheticShard:
    """Make one shard's images and write them, then their marker: an origin, a sum, and the store's tag."""
    labels = multi_hot(list(planned.labels), generator.settings.classes)
    content = shard_bytes(sample(generator, labels, seed=planned.seed, first=planned.first))
    shard = SyntheticShard(
        f"{planned.name}.npy", planned.first, len(planned.labels), hashlib.sha256(content).hexdigest()
    )
    store = open_store(place)
    store.write(shard.file, content)
    marker = {**planned.origin, "sha256": shard.sha256, "state": store.state(shard.file)}
    store.write(f"{planned.name}.json", json.dumps(marker).encode())
    counters.count("images", shard.count)
    counters.count("shards")
    return shard


def _all_finished(place: Place, planned: list[PlannedShard]) -> list[tuple[PlannedShard, SyntheticShard]]:
    """The shards that are whole at `place`, looked at side by side: each costs a store two requests or more."""
    names = set(open_store(place).names())
    there = [shard for shard in planned if f"{shard.name}.json" in names and f"{shard.name}.npy" in names]
    with ThreadPoolExecutor(LOOKERS) as pool:
        found = list(pool.map(partial(_finished, place), there))
    return [(shard, made) for shard, made in zip(there, found, strict=True) if made]


def _finished(place: Place, planned: PlannedShard) -> SyntheticShard | None:
    """The shard, where a whole one of the same origin is there."""
    store = open_store(place)
    try:
        record = json.loads(store.read(f"{planned.name}.json"))
        sha256, state = record.pop("sha256"), record.pop("state", None)
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError):
        return None
    if record != planned.origin or not is_intact(store, f"{planned.name}.npy", sha256, state):
        return None
    return SyntheticShard(f"{planned.name}.npy", planned.first, len(planned.labels), sha256)
