"""Learning curves: each arm's AUC by the number of real training images, and how many real images an arm saves.

Every point is a mean over subsets of one size (draws) and training seeds, on the same test patients. These are three
crossed sources of chance; see `uncertainty.mean_over_draws`. The point of all images has a single draw, so its values
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
    """The points of the learning curves, by size and then by arm.

    Args:
        truth: The true labels of the test split.
        points: The results of the cells of each subset; those on all training images are under None.

    Returns:
        One row per point, as JSON values. `size` is the size asked for, or the number of all images. `arm`, `draws` and
        `seeds` say what the point is the mean of, and `train_images` how many images it was trained on. `auc` and
        `accuracy` are {`value`, `ci95`}. `difference` is that of the AUC to the arm `real` on the same draws and
        seeds, with `p`, and with `p_adjusted` after Holm over the arm's sizes with several draws (None with a single
        draw). `real_equivalent` is the result of that function.
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
        differences = [row["difference"] for row in rows if row["arm"] == arm and row["draws"] > 1]
        for one, p in zip(differences, holm([one["p"] for one in differences]), strict=True):
            one["p_adjusted"] = p
    return [{**row, "real_equivalent": None if row["arm"] == REFERENCE else real_equivalent(real, row)} for row in rows]


def real_equivalent(real: Mapping[int, float], row: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many real images the arm `real` needs for the mean AUC of another arm, read from its mean curve.

    The curve is made monotonic, as more images should not lower the AUC, and is interpolated linearly in the logarithm
    of the size. The result has no interval.

    Args:
        real: The mean AUC of the arm `real` by size.
        row: The point of the other arm; see `curve_rows`.

    Returns:
        JSON values: `images`, and `bound`, which is "none", or "at most" or "at least" if the AUC is outside the curve.
        None if the curve has a single point.
    """
    if len(real) < 2:
        return None
    sizes = sorted(real)
    aucs = np.maximum.accumulate([real[size] for size in sizes])
    value = row["auc"]["value"]
    if value > aucs[-1]:
        return {"images": sizes[-1], "bound": "at least"}
    if value <= aucs[0]:
        return {"images": sizes[0], "bound": "none" if value == aucs[0] else "at most"}
    above = int(np.searchsorted(aucs, value))
    share = (value - aucs[above - 1]) / (aucs[above] - aucs[above - 1])
    images = math.exp((1 - share) * math.log(sizes[above - 1]) + share * math.log(sizes[above]))
    return {"images": round(images), "bound": "none"}


def _cells(draws: Sequence[Sequence[CellResult]], arm: str) -> Draws:
    """The cells of an arm, draw by draw, sorted by seed."""
    return [sorted((cell for cell in of_draw if cell.arm == arm), key=lambda cell: cell.seed) for of_draw in draws]


def _aucs(truth: GroundTruth, cells: Draws) -> list[list[Influence]]:
    return [[truth.auc(cell.test_scores) for cell in of_draw] for of_draw in cells]


def _point(truth: GroundTruth, cells: Draws, reference: list[list[Influence]] | None) -> dict[str, Any]:
    """The values of an arm at one size; `reference` holds the AUCs of the arm `real`, None for that arm itself."""
    aucs = _aucs(truth, cells)
    gans = [cell.gan for cell in cells[0]] if len(cells) == 1 else ()
    correct = [[accuracy_influence(truth, cell.test_scores) for cell in of_draw] for of_draw in cells]
    counts = [cell.train_images for of_draw in cells for cell in of_draw]
    accuracy = mean_over_draws(correct, truth.patients, truth.patient_count, "wilson", gans)
    to_reference = None
    if reference is not None:
        paired = [[difference(*pair) for pair in zip(*both, strict=True)] for both in zip(aucs, reference, strict=True)]
        estimate = mean_over_draws(paired, truth.patients, truth.pairs, "identity", gans)
        to_reference = {**_estimate(estimate), "p": p_value(estimate), "p_adjusted": None}
    return {
        "draws": len(cells),
        "seeds": len(cells[0]),
        "train_images": {kind: round(np.mean([c[kind] for c in counts])) for kind in ("real", "synthetic")},
        "auc": _estimate(mean_over_draws(aucs, truth.patients, truth.pairs, "logit", gans)),
        "accuracy": _estimate(accuracy),
        "difference": to_reference,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": estimate.ci95}
