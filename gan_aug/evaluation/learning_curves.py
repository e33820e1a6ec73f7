"""Learning curves: each arm's AUC by the number of real training images, and how many of them an arm saves.

Every point is a mean over subsets of one size (draws) and training seeds on the same test patients: three crossed
sources of chance, as `uncertainty.mean_over_draws` has them. The point of all images is a single draw, so its figures
are those of the comparison itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_aug.data.splits.subsets import Subset
from gan_aug.evaluation.arm_catalogue import REFERENCE, arm_order
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import holm
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.metrics import accuracy_influence
from gan_aug.evaluation.statistics.uncertainty import Estimate, Influence, difference, mean_over_draws, p_value

Draws = list[list[CellResult]]


def curve_rows(truth: GroundTruth, points: Mapping[Subset | None, Sequence[CellResult]]) -> list[dict[str, Any]]:
    """The points of the curves as JSON values, by size and then by arm; `truth` is the test split's.

    `points` holds the cells of each subset, None for all training images. A row has `size` (as asked, or the number of
    all images), `arm`, `draws`, `seeds`, `train_images`, `auc` and `accuracy` {`value`, `ci95`}, `difference` of AUC to
    the arm real on the same draws and seeds (with `p`, and `p_adjusted` after Holm over the arm's sizes of several
    draws, None where there is one), and `real_equivalent` (see there).
    """
    sizes: dict[int, list[Sequence[CellResult]]] = {}
    for subset, cells in points.items():
        size = subset.size if subset else max(cell.train_images["real"] for cell in cells if cell.arm == REFERENCE)
        sizes.setdefault(size, []).append(cells)
    rows = []
    for size, draws in sorted(sizes.items()):
        reference = _aucs(truth, _cells(draws, REFERENCE))
        for arm in arm_order({cell.arm for cell in draws[0]}):
            against = None if arm == REFERENCE else reference
            rows.append({"size": size, "arm": arm, **_point(truth, _cells(draws, arm), against)})
    real = {row["size"]: row["auc"]["value"] for row in rows if row["arm"] == REFERENCE}
    for arm in {row["arm"] for row in rows} - {REFERENCE}:
        own = [row["difference"] for row in rows if row["arm"] == arm and row["draws"] > 1]
        for apart, p in zip(own, holm([apart["p"] for apart in own]), strict=True):
            apart["p_adjusted"] = p
    return [{**row, "real_equivalent": None if row["arm"] == REFERENCE else real_equivalent(real, row)} for row in rows]


def real_equivalent(real: Mapping[int, float], row: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many real images the arm real needs for the row's mean AUC, read off its mean curve.

    `real` is that curve, AUC by size; it is made to rise (an image more should not hurt) and joined by straight lines
    over the logarithm of the size. JSON values: `images`, and `bound`: none, or at most or at least where the AUC lies
    off the curve. A reading without an interval. None where the curve has a single point.
    """
    if len(real) < 2:
        return None
    sizes = sorted(real)
    heights = np.maximum.accumulate([real[size] for size in sizes])
    value = row["auc"]["value"]
    if value > heights[-1]:
        return {"images": sizes[-1], "bound": "at least"}
    if value <= heights[0]:
        return {"images": sizes[0], "bound": "none" if value == heights[0] else "at most"}
    above = int(np.searchsorted(heights, value))
    share = (value - heights[above - 1]) / (heights[above] - heights[above - 1])
    images = math.exp((1 - share) * math.log(sizes[above - 1]) + share * math.log(sizes[above]))
    return {"images": round(images), "bound": "none"}


def _cells(draws: Sequence[Sequence[CellResult]], arm: str) -> Draws:
    """An arm's cells, draw by draw, seeds in order."""
    return [sorted((cell for cell in of_draw if cell.arm == arm), key=lambda cell: cell.seed) for of_draw in draws]


def _aucs(truth: GroundTruth, cells: Draws) -> list[list[Influence]]:
    return [[truth.auc(cell.test_scores) for cell in of_draw] for of_draw in cells]


def _point(truth: GroundTruth, cells: Draws, reference: list[list[Influence]] | None) -> dict[str, Any]:
    """An arm's figures at one size; `reference` holds the AUCs of the arm real, None for that arm itself."""
    aucs = _aucs(truth, cells)
    right = [[accuracy_influence(truth, cell.test_scores) for cell in of_draw] for of_draw in cells]
    counts = [cell.train_images for of_draw in cells for cell in of_draw]
    accuracy = mean_over_draws(right, truth.patients, truth.patient_count, "wilson")
    apart = None
    if reference is not None:
        paired = [[difference(*pair) for pair in zip(*both, strict=True)] for both in zip(aucs, reference, strict=True)]
        estimate = mean_over_draws(paired, truth.patients, truth.pairs, "identity")
        apart = {**_estimate(estimate), "p": p_value(estimate), "p_adjusted": None}
    return {
        "draws": len(cells),
        "seeds": len(cells[0]),
        "train_images": {kind: round(np.mean([c[kind] for c in counts])) for kind in ("real", "synthetic")},
        "auc": _estimate(mean_over_draws(aucs, truth.patients, truth.pairs, "logit")),
        "accuracy": _estimate(accuracy),
        "difference": apart,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": estimate.ci95}
