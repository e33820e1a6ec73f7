"""Verifying the learning curves' subsets: each one's GAN and synthetic set, read again as the run's own are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ManifestError
from gan_aug.run import layout
from gan_aug.run.events import UnitProgress
from gan_aug.run.stores import below, open_store
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link
from gan_aug.verification.images_and_sets import check_checkpoints, check_synthetic


def check_subsets(storage: RunStorage, manifest: Manifest, needed: bool, progress: UnitProgress) -> Iterator[Link]:
    """The links of each subset's checkpoints and synthetic set, held against the images of that subset alone.

    `needed`: a later stage rests on the sets, so that one which is not there is missing.
    """
    seed = _seed(storage)
    for subset in subsets_in(storage):
        own = RunStorage(
            storage.folder / layout.SIZES / subset.name, below(storage.sizes, subset.name) if storage.place else None
        )
        part = take_subset(manifest, subset, seed)
        links, checkpoints = check_checkpoints(own, part)
        if needed or open_store(own.synthetic).names():
            links += check_synthetic(own, part, checkpoints, progress)[0]
        for link in links:
            yield dataclasses.replace(link, name=f"{layout.SIZES}/{subset.name}/{link.name}")


def subsets_in(storage: RunStorage) -> list[Subset]:
    """The subsets that the run folder has a folder of, by size and then by draw."""
    names = (folder.name for folder in (storage.folder / layout.SIZES).glob("[0-9]*-[0-9]*"))
    return sorted((Subset(*map(int, name.split("-"))) for name in names), key=lambda subset: (subset.size, subset.draw))


def synthetic_sets(storage: RunStorage) -> dict[Subset, SyntheticManifest | None]:
    """Each subset with the synthetic set of its own GAN, None where no whole one is there."""
    sets: dict[Subset, SyntheticManifest | None] = {}
    for subset in subsets_in(storage):
        path = storage.folder / layout.SIZES / subset.name / layout.SYNTHETIC / layout.MANIFEST
        try:
            sets[subset] = SyntheticManifest.load(path)
        except ManifestError:  # absent, or altered: its own link says which
            sets[subset] = None
    return sets


def fingerprints(storage: RunStorage, manifest: Manifest) -> dict[str, str | None]:
    """For the fingerprint of each subset of the images, that of its synthetic set."""
    seed = _seed(storage)
    return {
        take_subset(manifest, subset, seed).fingerprint: made.fingerprint if made else None
        for subset, made in synthetic_sets(storage).items()
    }


def _seed(storage: RunStorage) -> int:
    """The seed that the subsets are drawn by."""
    asked = storage.folder / layout.COMPARE / layout.REQUEST
    return int(json.loads(asked.read_text(encoding="utf-8"))["seed"]) if asked.exists() else 0
