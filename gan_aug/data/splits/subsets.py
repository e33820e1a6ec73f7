"""Parts of a training split for learning curves: by patient, each label in proportion, small ones inside large ones."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

import numpy as np

from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.stratify import strata_of


@dataclass(frozen=True)
class Subset:
    """A part of the training split: up to `size` images of it, by the chance called `draw` (0, 1, ...)."""

    size: int
    draw: int

    @property
    def name(self) -> str:
        """The name of its folder, which sorts by size and then by draw."""
        return f"{self.size:05d}-{self.draw}"


def take(manifest: Manifest, subset: Subset, seed: int) -> Manifest:
    """The manifest with the training images outside `subset` marked unused; it has a fingerprint of its own.

    Images of one patient come together, so there may be a few less than `size`. Every subset of a draw is the
    beginning of one order of the patients, hence inside the larger ones of that draw. In that order each label comes
    once as early as may be, and then in proportion.
    """
    kept: set[int] = set()
    for group in patient_order(manifest, seed, subset.draw):
        if len(kept) + len(group) > subset.size:
            break
        kept.update(group)
    studies = tuple(
        study if study.split != "train" or i in kept else dataclasses.replace(study, split="unused")
        for i, study in enumerate(manifest.studies)
    )
    return dataclasses.replace(manifest, studies=studies)


def patient_order(manifest: Manifest, seed: int, draw: int) -> list[list[int]]:
    """The positions of each training patient's images, the patients in the order in which subsets take them."""
    groups: dict[str, list[int]] = {}
    for i in manifest.indices("train"):
        groups.setdefault(manifest.studies[i].patient or f"image {i}", []).append(int(i))
    rng = np.random.default_rng([seed, draw, *b"subset"])
    shuffled = [list(groups.values())[number] for number in rng.permutation(len(groups))]
    strata = strata_of([study.labels for study in manifest.studies], [i for group in shuffled for i in group])
    totals, before = Counter(strata.values()), Counter[tuple[int, ...]]()
    places: list[tuple[float, int]] = []
    for number, group in enumerate(shuffled):
        stratum = strata[group[0]]
        places.append(((before[stratum] + len(group) / 2) / totals[stratum], number))
        before[stratum] += len(group)
    order = [shuffled[number] for _, number in sorted(places)]
    return _each_label_first(order, manifest)


def _each_label_first(order: list[list[int]], manifest: Manifest) -> list[list[int]]:
    """`order` with the first group of each label moved to the front."""
    front: list[int] = []
    held: set[int] = set()
    for label in range(len(manifest.labels)):
        has = (n for n, group in enumerate(order) if any(label in manifest.studies[i].labels for i in group))
        first = next(has, None)
        if label not in held and first is not None:
            front.append(first)
            held.update(k for i in order[first] for k in manifest.studies[i].labels)
    rest = [number for number in range(len(order)) if number not in front]
    return [order[number] for number in (*front, *rest)]
