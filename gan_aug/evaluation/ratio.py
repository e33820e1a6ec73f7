"""How many synthetic images for each real one: searched on the validation images, never on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import SEARCHED
from gan_aug.evaluation.arms import accept, plan_arm
from gan_aug.evaluation.cells.plan import FEWEST, Cell, cell_request, make_cell
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.ground_truth import GroundTruth


def plan_search(manifest: Manifest, synthetic: SyntheticManifest, config: Config) -> list[Cell]:
    """The cells of the search: the arm `SEARCHED` at each ratio with each seed, which keep validation scores alone.

    Raises DataError where the search cannot be made, LeakageError where `synthetic` may not be used.
    """
    check_search(manifest, config, len(synthetic.image_labels))
    accept(synthetic, manifest)
    cells = []
    for ratio in config.compare.ratios:
        plan_arm(SEARCHED, manifest, synthetic, ratio)
        for seed in range(config.compare.seeds):
            request = cell_request(manifest, synthetic, config, SEARCHED, seed, ratio)
            cells.append(make_cell({**request, "search": True}))
    return cells


def check_search(manifest: Manifest, config: Config, available: int) -> None:
    """Raise DataError where the validation split cannot tell ratios apart, or `available` images are too few."""
    total = len(manifest.indices("validation"))
    for label, count in manifest.counts()["validation"].items():
        if min(count, total - count) < FEWEST:
            raise DataError(
                f"the validation split has {count} images with the label {label!r} and {total - count} without it, too "
                "few to choose a ratio by: give compare.ratio a number, or the validation split more"
            )
    needed = round(max(config.compare.ratios) * len(manifest.indices("train")))
    if needed > available:
        raise DataError(
            f"the largest of compare.ratios needs {needed} synthetic images and there are {available}: set "
            "synthesis.counts to more or to like-real, or leave that ratio out"
        )


def choose_ratio(manifest: Manifest, cells: Sequence[Cell], results: Sequence[CellResult]) -> dict[str, Any]:
    """The ratio with the highest validation AUC (mean over seeds), of equal ones the smallest, and what each reached.

    JSON values: `value`, and `searched` [{`ratio`, `validation_auc`, `seeds`}].
    """
    truth = GroundTruth.of(manifest, "validation")
    reached: dict[float, list[float]] = {}
    for cell, result in zip(cells, results, strict=True):
        reached.setdefault(cell.request["ratio"], []).append(truth.auc(result.validation_scores).value)
    means = {ratio: sum(values) / len(values) for ratio, values in sorted(reached.items())}
    best = max(means, key=means.__getitem__)  # the first of equal ones
    searched = [{"ratio": ratio, "validation_auc": mean, "seeds": reached[ratio]} for ratio, mean in means.items()]
    return {"value": best, "searched": searched}
