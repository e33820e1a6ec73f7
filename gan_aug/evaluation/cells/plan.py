"""Which cells a comparison needs, and the request of each: everything its result depends on, whose hash is its key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gan_aug.config.compare import ArmName, ClassifierConfig
from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import INTERNAL, Manifest, Split
from gan_aug.data.splits.subsets import Subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.arms import plan_arm
from gan_aug.evaluation.classifiers.networks import build
from gan_aug.evaluation.leakage import check_synthetic_set
from gan_aug.run.files import json_sha256

RECIPE = 2
"""Increased whenever the code would give another result for the same request: older cells are then computed again."""

THREADS = 1
"""The torch threads of every cell: results must not depend on the number of cores."""

MIN_IMAGES = 2
"""The variance of an AUC needs this many images with a label and as many without it."""


@dataclass(frozen=True)
class Cell:
    """One arm with one seed.

    Attributes:
        key: The SHA-256 of `request`.
        arm: The arm.
        seed: The number of the seed, from 0.
        request: Everything that the result depends on, as JSON values.
        subset: The part of the training split that it trains on; None is all of it.
        gan: The number of the GAN whose synthetic images it trains on, from 0; None for an arm without them.
    """

    key: str
    arm: ArmName
    seed: int
    request: dict[str, Any]
    subset: Subset | None = None
    gan: int | None = None


def plan_cells(
    manifest: Manifest,
    sets: Sequence[SyntheticManifest],
    comparison: CompareRequest,
    *,
    ratio: float | None = None,
    subset: Subset | None = None,
) -> list[Cell]:
    """The cells of a comparison, seed by seed, with all arms in each.

    Args:
        manifest: The data set, or that of `subset`.
        sets: The synthetic set of each GAN, or that of `subset`; empty if no arm needs one. Seed i trains on set i
            modulo their number.
        comparison: The request of the comparison.
        ratio: Synthetic images for each real image; None is the largest ratio of the config.
        subset: The part of the training split that is used; None is all of it.

    Returns:
        The cells. Nothing is trained.

    Raises:
        DataError: If an arm cannot be made, or a split or a class is absent.
        LeakageError: If one of `sets` may not be used.
    """
    check_comparison(manifest, comparison.classifier)
    for synthetic in sets:
        check_synthetic_set(synthetic, manifest)
    if ratio is None:
        ratio = comparison.compare.largest_ratio
    for arm in comparison.compare.arms:
        for own in sets or (None,):
            plan_arm(arm, manifest, own, ratio)
    return [
        make_cell(cell_request(manifest, set_of(sets, seed), comparison, arm, seed, ratio), subset, gan_of(sets, seed))
        for seed in range(comparison.compare.seeds)
        for arm in comparison.compare.arms
    ]


def gan_of(sets: Sequence[SyntheticManifest], seed: int) -> int:
    """The number of the GAN whose images a seed trains on."""
    return seed % max(1, len(sets))


def set_of(sets: Sequence[SyntheticManifest], seed: int) -> SyntheticManifest | None:
    """The synthetic set that a seed trains on; None if there is none."""
    return sets[gan_of(sets, seed)] if sets else None


def cell_request(
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    comparison: CompareRequest,
    arm: ArmName,
    seed: int,
    ratio: float,
) -> dict[str, Any]:
    """The request of a cell: everything that its result depends on, and nothing else.

    Args:
        manifest: The data set.
        synthetic: The synthetic set, or None.
        comparison: The request of the comparison.
        arm: The arm.
        seed: The number of the seed, from 0.
        ratio: Synthetic images for each real image.

    Returns:
        JSON values.
    """
    row = ARMS[arm]
    request: dict[str, Any] = {
        "recipe": RECIPE,
        "dataset": manifest.fingerprint,
        "synthetic": synthetic.fingerprint if synthetic is not None and row.needs_synthetic else None,
        "arm": arm,
        "ratio": ratio if row.needs_ratio else None,
        "base_seed": comparison.seed,
        "seed": seed,
        "classifier": comparison.classifier.model_dump(mode="json"),
        "threads": THREADS,
    }
    if row.pretrain:
        request["pretrain"] = comparison.compare.pretrain
    if row.classic:
        request["flips"] = list(manifest.flips)
    if row.real == "repeated":
        request["images"] = len(plan_arm(arm, manifest, synthetic, ratio).labels)
    return request


def make_cell(request: dict[str, Any], subset: Subset | None = None, gan: int = 0) -> Cell:
    """The cell of a request.

    Args:
        request: All that its result depends on; its hash is the cell's key.
        subset: See Cell.
        gan: The number of the GAN whose images the seed trains on, if the arm needs synthetic images.
    """
    own = gan if ARMS[request["arm"]].needs_synthetic else None
    return Cell(json_sha256(request), request["arm"], request["seed"], request, subset, own)


def cell_seed(base: int, seed: int) -> int:
    """The random seed of all cells with the seed number `seed`, equal in all arms; below 2**63."""
    return int.from_bytes(hashlib.sha256(f"cell/{base}/{seed}".encode()).digest()[:8]) >> 1


def unique(cells: Iterable[Cell]) -> list[Cell]:
    """The cells without repetitions, in order: two workers must not write to one folder."""
    return list({cell.key: cell for cell in cells}.values())


def scarce_label(manifest: Manifest, split: Split) -> tuple[str, int, int] | None:
    """The first label of which a split has too few images for an AUC, with or without it, and both numbers; or None."""
    total = len(manifest.indices(split))
    counts = manifest.counts()[split].items()
    return next(((name, of, total - of) for name, of in counts if min(of, total - of) < MIN_IMAGES), None)


def check_comparison(manifest: Manifest, classifier: ClassifierConfig) -> None:
    """Raise DataError if the data set does not allow a comparison."""
    for split in ("validation", "test"):
        if len(manifest.indices(split)) == 0:
            raise DataError(f"{manifest.name} has no {split} images: set data.{split} above 0 in a new run")
    if len(manifest.labels) < 2:
        raise DataError(f"{manifest.name} has one label, but a comparison needs two classes: add a second one")
    if scarce := scarce_label(manifest, "test"):
        label, count, others = scarce
        raise DataError(
            f"the test split has {count} images with the label {label!r} and {others} without it, but an AUC needs "
            f"{MIN_IMAGES} of each: add images to the test split, or leave the label out"
        )
    if INTERNAL in manifest.splits and (scarce := scarce_label(manifest, INTERNAL)):
        label, count, others = scarce
        raise DataError(
            f"the internal test has {count} images with the label {label!r} and {others} without it, but an AUC needs "
            f"{MIN_IMAGES} of each: raise data.internal_test, or set it to off, in a new run"
        )
    build(classifier.name, manifest.shape, len(manifest.labels))
