"""Which cells a comparison asks for, and what makes each what it is: everything its result depends on, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gan_aug.config import Config
from gan_aug.config.compare import ArmName
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.arms import accept, plan_arm
from gan_aug.evaluation.classifiers.networks import build
from gan_aug.run.files import json_sha256

RECIPE = 2
"""Raised whenever the same request would give another result: older cells are then computed again."""

THREADS = 1
"""Threads of every cell, so that results do not depend on the machine's cores."""

FEWEST = 2
"""Images with and without a label that the variance of an AUC needs."""


@dataclass(frozen=True)
class Cell:
    """One arm with one seed; `request` holds everything the result depends on and `key` is its SHA-256.

    `subset` is the part of the training split it trains on, None for all of it.
    """

    key: str
    arm: ArmName
    seed: int
    request: dict[str, Any]
    subset: Subset | None = None


def plan_cells(
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    config: Config,
    *,
    ratio: float | None = None,
    subset: Subset | None = None,
) -> list[Cell]:
    """The cells of a comparison, one arm after the other within each seed.

    `ratio` is the one that a search found; `manifest` and `synthetic` are those of `subset` where there is one. Raises
    DataError where an arm cannot be made or a split is absent, and LeakageError where `synthetic` may not be used,
    before anything is trained.
    """
    check_comparison(manifest, config)
    if synthetic is not None:
        accept(synthetic, manifest)
    if ratio is None:
        ratio = config.compare.largest_ratio
    for arm in config.compare.arms:
        plan_arm(arm, manifest, synthetic, ratio)
    return [
        make_cell(cell_request(manifest, synthetic, config, arm, seed, ratio), subset)
        for seed in range(config.compare.seeds)
        for arm in config.compare.arms
    ]


def cell_request(
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    config: Config,
    arm: ArmName,
    seed: int,
    ratio: float,
) -> dict[str, Any]:
    """Everything the cell of `arm` and `seed` depends on, and nothing else, as JSON values."""
    row = ARMS[arm]
    request: dict[str, Any] = {
        "recipe": RECIPE,
        "dataset": manifest.fingerprint,
        "synthetic": synthetic.fingerprint if synthetic is not None and row.needs_synthetic else None,
        "arm": arm,
        "ratio": ratio if row.needs_ratio else None,
        "base_seed": config.seed,
        "seed": seed,
        "classifier": config.classifier.model_dump(mode="json"),
        "threads": THREADS,
    }
    if row.pretrain:
        request["pretrain"] = config.compare.pretrain
    if row.classic:
        request["flips"] = list(manifest.flips)
    if row.real == "repeated":
        request["images"] = len(plan_arm(arm, manifest, synthetic, ratio).labels)
    return request


def make_cell(request: dict[str, Any], subset: Subset | None = None) -> Cell:
    """The cell of a request, named after its hash."""
    return Cell(json_sha256(request), request["arm"], request["seed"], request, subset)


def cell_seed(base: int, seed: int) -> int:
    """The number that all randomness of seed `seed` comes from, the same in every arm, below 2**63."""
    return int.from_bytes(hashlib.sha256(f"cell/{base}/{seed}".encode()).digest()[:8]) >> 1


def unique(cells: Iterable[Cell]) -> list[Cell]:
    """The cells without repetition, in order: two workers must not write one folder."""
    return list({cell.key: cell for cell in cells}.values())


def check_comparison(manifest: Manifest, config: Config) -> None:
    """Raise DataError where no comparison of this data set can be made."""
    for split in ("validation", "test"):
        if len(manifest.indices(split)) == 0:
            raise DataError(f"{manifest.name} has no {split} images: set data.{split} above 0 in a new run")
    if len(manifest.labels) < 2:
        raise DataError(f"{manifest.name} has one label, a comparison needs two classes: name a second one")
    total = len(manifest.indices("test"))
    for label, count in manifest.counts()["test"].items():
        if min(count, total - count) < FEWEST:
            raise DataError(
                f"the test split has {count} images with the label {label!r} and {total - count} without it; an AUC "
                f"needs {FEWEST} of each: give the test split more, or leave the label out"
            )
    build(config.classifier.name, manifest.shape, len(manifest.labels))
