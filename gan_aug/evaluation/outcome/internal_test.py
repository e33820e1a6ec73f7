"""The part `internal_test` of `report.json`: each arm on images of the same kind as those that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gan_aug.data.manifest import INTERNAL, Manifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import estimate_auc, gans_of_pair, independent_difference, paired
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Estimate, FloatArray


def internal_test_figures(manifest: Manifest, arms: Mapping[str, Sequence[CellResult]]) -> dict[str, Any] | None:
    """The AUC of each arm on the internal test, by the same statistics as on the test.

    Args:
        manifest: The data set.
        arms: The cells of each arm, sorted by seed.

    Returns:
        `arms`, each with its `auc` and the `difference` of that from the arm real; and `gap`, the AUC of the arm real
        on the test minus that on the internal test, with whether its interval lies beside 0. None without an internal
        test.

    Raises:
        DataError: A cell has no scores of the internal test.
    """
    if INTERNAL not in manifest.splits:
        return None
    truth = GroundTruth.of(manifest, INTERNAL)
    scores = {arm: [internal_scores(cell) for cell in cells] for arm, cells in arms.items()}
    gans = {arm: [cell.gan for cell in cells] for arm, cells in arms.items()}
    aucs = {arm: [truth.auc(of_seed) for of_seed in of_arm] for arm, of_arm in scores.items()}
    own = {arm: estimate_auc(truth, of_arm, gans[arm]) for arm, of_arm in scores.items()}
    apart = {
        arm: paired(truth, aucs[arm], aucs[REFERENCE], gans_of_pair(gans, (arm, REFERENCE)))
        for arm in arms
        if arm != REFERENCE
    }
    tested = estimate_auc(GroundTruth.of(manifest, "test"), [cell.test_scores for cell in arms[REFERENCE]])
    value, (low, high) = independent_difference(tested, own[REFERENCE])
    return {
        "arms": {
            arm: {"auc": _figure(own[arm]), "difference": _figure(apart[arm]) if arm in apart else None} for arm in arms
        },
        "gap": {"value": value, "ci95": (low, high), "differs": low > 0 or high < 0},
    }


def internal_scores(cell: CellResult) -> FloatArray:
    """The cell's scores of the internal test `(M, K)`; raises DataError if it has none."""
    if cell.internal_scores is None:
        raise DataError(
            f"the cell {cell.key} has no scores of the internal test: remove the run's compare folder and compare again"
        )
    return cell.internal_scores


def _figure(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": estimate.ci95, "sources": estimate.sources}
