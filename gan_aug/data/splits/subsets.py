"""Subsets of a training split for learning curves: by patient, labels in proportion, small ones within larger ones."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

import numpy as np

from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.stratify import strata_of


@dataclass(frozen=True)
class Subset:
    """A subset of the training split: up to `size` images of it, in random draw number `draw`, from 0."""

    size: int
    draw: int

    @property
    def name(self) -> str:
        """The name of its folder, which sorts by size and then by draw."""
        return f"{self.size:05d}-{self.draw}"


def take_subset(manifest: Manifest, subset: Subset, seed: int) -> Manifest:
    """Mark the training images outside a subset as unused.

    All images of a patient are used or none, so the subset may have a few images less than its size. All subsets of a
    draw begin at the start of the same order of patients, so each lies within the larger ones. That order starts with
    a patient of each label; then the labels come in proportion.

    Args:
        manifest: The data set.
        subset: The subset to keep.
        seed: The seed of the order of patients.

    Returns:
        The manifest of the subset; its fingerprint differs from that of `manifest`.
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
    """Order the training patients as subsets take them.

    Args:
        manifest: The data set.
        seed: The seed of the order.
        draw: The number of the draw, from 0.

    Returns:
        For each patient, the positions of the patient's images.
    """
    groups: dict[str, list[int]] = {}
    for i in manifest.indices("train"):
        groups.setdefault(manifest.studies[i].patient or f"image {i}", []).append(int(i))
    rng = np.random.default_rng([seed, draw, *b"subset"])
    shuffled = [list(groups.values())[number] for number in rng.permutation(len(groups))]
    strata = strata_of([study.labels for study in manifest.studies], [i for group in shuffled for i in group])
    totals, before = Counter(strata.values()), Counter[tuple[int, ...]]()
    ranks: list[tuple[float, int]] = []
    for number, group in enumerate(shuffled):
        stratum = strata[group[0]]
        ranks.append(((before[stratum] + len(group) / 2) / totals[stratum], number))
        before[stratum] += len(group)
    order = [shuffled[number] for _, number in sorted(ranks)]
    return _each_label_first(order, manifest)


def _each_label_first(order: list[list[int]], manifest: Manifest) -> list[list[int]]:
    """`order` with the first group of each label moved to the front."""
    front: list[int] = []
    covered: set[int] = set()
    for label in range(len(manifest.labels)):
        has = (n for n, group in enumerate(order) if any(label in manifest.studies[i].labels for i in group))
        first = next(has, None)
        if label not in covered and first is not None:
            front.append(first)
            covered.update(k for i in order[first] for k in manifest.studies[i].labels)
    rest = [number for number in range(len(order)) if number not in front]
    return [order[number] for number in (*front, *rest)]
