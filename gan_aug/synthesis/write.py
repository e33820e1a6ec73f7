"""Writes a synthetic set shard by shard; a later start keeps the complete shards and makes the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.compute.executor import Executor
from gan_aug.data.manifest import multi_hot
from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.errors import CheckpointError
from gan_aug.gan.networks.base import Generator
from gan_aug.gan.state import RECORD, Checkpoint, load_generator, read_checkpoint
from gan_aug.run import layout
from gan_aug.run.artefacts import is_intact, local_copy
from gan_aug.run.stores import MissingObject, Place, below, open_store
from gan_aug.synthesis.bundle import is_bundle, read_bundle
from gan_aug.synthesis.plan import Labels
from gan_aug.synthesis.sampler import sample

CHECK_THREADS = 8
"""How many shards are checked for completeness at the same time."""


@dataclass(frozen=True)
class PlannedShard:
    """One shard to make: the images from index `first` on with these labels, by one checkpoint and seed."""

    name: str
    checkpoint: str
    seed: int
    first: int
    labels: tuple[Labels, ...]

    @property
    def origin(self) -> dict[str, object]:
        """Everything on which its bytes depend, as JSON values."""
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
    lists: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SyntheticManifest:
    """Write the planned images as shards, then the manifest; shards that are complete already are kept.

    Args:
        checkpoint: The trained GAN.
        plan: The labels of image 0, 1, ...
        place: Where the shards are written, by the workers themselves.
        executor: Where the workers run.
        seed: Of the noise.
        shard_size: Images per shard.
        stored: Where workers that do not see the checkpoint's folder download it from.
        lists: Whether the manifest lists the training images if the checkpoint's record does, which is then of an older
            version. Sets within such a run did, and keep their fingerprints; a set that may leave the run never does.
        device: The value of compute.device; each worker chooses its device by it.
        progress: Called with (images done, images in all).
        cancelled: Asked about twice a second whether to stop.

    Returns:
        The manifest, as saved at `place`.

    Raises:
        Cancelled: `cancelled` returned True; finished shards are kept.
        CheckpointError: The checkpoint is of an unknown task, or a worker finds another one.
        ComputeError: Workers were lost.
        StorageError: A shard cannot be written.
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
        image_labels=plan,
        shards=tuple(shards[shard.name] for shard in planned),
        **_seen(checkpoint, lists=lists),
    )
    manifest.save(below(place, layout.MANIFEST))
    return manifest


def _seen(checkpoint: Checkpoint, *, lists: bool) -> dict[str, Any]:
    """What a manifest says of the images that the generator, and the GAN that it started from, were trained on."""
    parent = checkpoint.parent
    if lists and checkpoint.trained_on:
        return {"trained_on": checkpoint.trained_on, "parent_trained_on": parent.trained_on if parent else ()}
    before = {"parent_images": parent.trained_images, "parent_elsewhere": parent.elsewhere} if parent else {}
    return {"trained_on": (), "trained_images": checkpoint.trained_images, **before}


def is_whole(manifest: SyntheticManifest, place: Place) -> bool:
    """Whether every shard of a set made by `write_synthetic_set` is at `place`, unaltered."""
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
    found = read_bundle(path) if is_bundle(path) else read_checkpoint(local_copy(path, stored, RECORD))
    if found.id != checkpoint:
        raise CheckpointError(f"{found.path} is not the checkpoint of this run: remove it there and resume the run")
    return load_generator(found).to(choose_device(device))


def _write_shard(generator: Generator, planned: PlannedShard, *, place: Place) -> SyntheticShard:
    """Make and write one shard's images, then its marker: origin, SHA-256, and the store's state of the file."""
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
    """The planned shards that are complete at `place`.

    They are checked at the same time, because each check takes two or more requests to a store.
    """
    names = set(open_store(place).names())
    present = [shard for shard in planned if f"{shard.name}.json" in names and f"{shard.name}.npy" in names]
    with ThreadPoolExecutor(CHECK_THREADS) as pool:
        found = list(pool.map(partial(_finished, place), present))
    return [(shard, made) for shard, made in zip(present, found, strict=True) if made]


def _finished(place: Place, planned: PlannedShard) -> SyntheticShard | None:
    """The shard if it is there, complete and of the same origin; else None."""
    store = open_store(place)
    try:
        record = json.loads(store.read(f"{planned.name}.json"))
        sha256, state = record.pop("sha256"), record.pop("state", None)
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError):
        return None
    if record != planned.origin or not is_intact(store, f"{planned.name}.npy", sha256, state):
        return None
    return SyntheticShard(f"{planned.name}.npy", planned.first, len(planned.labels), sha256)
