"""The ratio of synthetic to real images: searched on the validation images, never on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import SEARCHED
from gan_aug.evaluation.arms import plan_arm
from gan_aug.evaluation.cells.plan import Cell, cell_request, gan_of, make_cell, scarce_label, set_of
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.leakage import check_synthetic_set
from gan_aug.evaluation.statistics.ground_truth import GroundTruth


def plan_search(manifest: Manifest, sets: Sequence[SyntheticManifest], comparison: CompareRequest) -> list[Cell]:
    """The cells of the search: the arm SEARCHED at each ratio with each seed. They keep validation scores only.

    Args:
        manifest: The data set.
        sets: The synthetic set of each GAN; each seed trains on the one that it trains on in the comparison.
        comparison: The request of the comparison.

    Raises:
        DataError: If the search is not possible.
        LeakageError: If one of `sets` may not be used.
    """
    for synthetic in sets:
        check_search(manifest, comparison.compare.ratios, len(synthetic.image_labels))
        check_synthetic_set(synthetic, manifest)
    cells = []
    for ratio in comparison.compare.ratios:
        for seed in range(comparison.compare.seeds):
            own = set_of(sets, seed)
            plan_arm(SEARCHED, manifest, own, ratio)
            request = cell_request(manifest, own, comparison, SEARCHED, seed, ratio)
            cells.append(make_cell({**request, "search": True}, gan=gan_of(sets, seed)))
    return cells


def check_search(manifest: Manifest, ratios: Sequence[float], available: int) -> None:
    """Check that a search is possible.

    Args:
        manifest: The data set.
        ratios: Those to try.
        available: The number of synthetic images.

    Raises:
        DataError: If the validation split has too few images of a class, or the largest ratio needs more images.
    """
    if scarce := scarce_label(manifest, "validation"):
        label, count, others = scarce
        raise DataError(
            f"the validation split has {count} images with the label {label!r} and {others} without it, too few to "
            "choose a ratio by: set compare.ratio to a number, or add images to the validation split"
        )
    needed = round(max(ratios) * len(manifest.indices("train")))
    if needed > available:
        raise DataError(
            f"the largest of compare.ratios needs {needed} synthetic images, but there are {available}: increase "
            "synthesis.counts or set it to like-real, or leave that ratio out"
        )


def choose_ratio(manifest: Manifest, cells: Sequence[Cell], results: Sequence[CellResult]) -> dict[str, Any]:
    """Choose the ratio with the highest validation AUC (mean over seeds); of equal ones the smallest.

    Args:
        manifest: The data set.
        cells: The cells of the search.
        results: The result of each cell.

    Returns:
        JSON values: `value`, and `searched` [{`ratio`, `validation_auc`, `seeds`}].
    """
    validation = GroundTruth.of(manifest, "validation")
    aucs: dict[float, list[float]] = {}
    for cell, result in zip(cells, results, strict=True):
        aucs.setdefault(cell.request["ratio"], []).append(validation.auc(result.validation_scores).value)
    means = {ratio: sum(values) / len(values) for ratio, values in sorted(aucs.items())}
    best = max(means, key=means.__getitem__)  # the first of equal ones
    searched = [{"ratio": ratio, "validation_auc": mean, "seeds": aucs[ratio]} for ratio, mean in means.items()]
    return {"value": best, "searched": searched}
