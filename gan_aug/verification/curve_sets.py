"""Verifies the GANs and synthetic sets of the learning curves' subsets, by the checks for the run's own."""

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
    """The links of each subset's checkpoints and synthetic set, checked against the images of that subset only.

    Args:
        storage: The run's files.
        manifest: The whole data set.
        needed: Whether a later stage depends on the sets; an absent set is then a broken link.
        progress: Is told how many images are read.

    Yields:
        The links, subset by subset.
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
    """The subsets that have a folder in the run folder, by size and then by draw."""
    names = (folder.name for folder in (storage.folder / layout.SIZES).glob("[0-9]*-[0-9]*"))
    return sorted((Subset(*map(int, name.split("-"))) for name in names), key=lambda subset: (subset.size, subset.draw))


def synthetic_sets(storage: RunStorage) -> dict[Subset, SyntheticManifest | None]:
    """The synthetic set of each subset's own GAN; None if it is absent or altered."""
    sets: dict[Subset, SyntheticManifest | None] = {}
    for subset in subsets_in(storage):
        path = storage.folder / layout.SIZES / subset.name / layout.SYNTHETIC / layout.MANIFEST
        try:
            sets[subset] = SyntheticManifest.load(path)
        except ManifestError:  # its own link says whether it is absent or altered
            sets[subset] = None
    return sets


def fingerprints(storage: RunStorage, manifest: Manifest) -> dict[str, str | None]:
    """The fingerprint of each subset's synthetic set, by the fingerprint of the subset."""
    seed = _seed(storage)
    return {
        take_subset(manifest, subset, seed).fingerprint: made.fingerprint if made else None
        for subset, made in synthetic_sets(storage).items()
    }


def _seed(storage: RunStorage) -> int:
    """The seed by which the subsets are drawn."""
    request = storage.folder / layout.COMPARE / layout.REQUEST
    return int(json.loads(request.read_text(encoding="utf-8"))["seed"]) if request.exists() else 0
