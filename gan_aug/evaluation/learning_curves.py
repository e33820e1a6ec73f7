"""Learning curves: each arm's AUC by the number of real training images, and how many of them an arm saves.

Every point is a mean over subsets of one size (draws) and training seeds. Both are sources of chance, and they are
crossed: seed i starts each draw's training alike. The band of a mean of D draws and S seeds is::

    mean ± t se,    se^2 = var(draw means) / D + var(seed means) / S

with a Student t quantile on Welch-Satterthwaite degrees of freedom. What depends on both at once is counted twice, so
it is rather too wide than too narrow. The test patients are no part of it: they are the same at every point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from gan_aug.data.subsets import Subset
from gan_aug.evaluation.arms import arm_order
from gan_aug.evaluation.cells import CellResult
from gan_aug.evaluation.metrics import accuracy_influence
from gan_aug.evaluation.truth import Truth
from gan_aug.evaluation.uncertainty import ALPHA, FloatArray

REFERENCE = "real"
_NO_VARIANCE = 1e-24


def crossed_interval(values: FloatArray, low: float, high: float) -> tuple[float, float] | None:
    """The 95 % interval of the mean of `values` `(D, S)`, draws by seeds, cut to `low` and `high`.

    The module's docstring has the formula. None for a single value, which says nothing of its chance.
    """
    parts = [
        (float(means.var(ddof=1)) / len(means), len(means) - 1)
        for means in (values.mean(axis=1), values.mean(axis=0))
        if len(means) > 1
    ]
    if not parts:
        return None
    mean, total = float(values.mean()), sum(part for part, _ in parts)
    if total < _NO_VARIANCE:
        return mean, mean
    df = total**2 / sum(part**2 / df for part, df in parts)
    half = float(stats.t.ppf(1 - ALPHA / 2, df)) * math.sqrt(total)
    return max(low, mean - half), min(high, mean + half)


def curve_rows(truth: Truth, points: Mapping[Subset | None, Sequence[CellResult]]) -> list[dict[str, Any]]:
    """The points of the curves as JSON values, by size and then by arm; `truth` is the test split's.

    `points` holds the cells of each subset, None for all training images. A row has `size` (as asked, or the number of
    all images), `arm`, `draws`, `seeds`, `train_images`, `auc` and `accuracy` {`value`, `ci95`}, `difference` of AUC to
    the arm real on the same draws and seeds, and `real_equivalent` (see there).
    """
    sizes: dict[int, list[Sequence[CellResult]]] = {}
    for subset, cells in points.items():
        size = subset.size if subset else max(cell.train_images["real"] for cell in cells if cell.arm == REFERENCE)
        sizes.setdefault(size, []).append(cells)
    rows = []
    for size, draws in sorted(sizes.items()):
        reference = _values(truth, draws, REFERENCE)[0]
        for arm in arm_order({cell.arm for cell in draws[0]}):
            aucs, accuracies = _values(truth, draws, arm)
            counts = [cell.train_images for cells in draws for cell in cells if cell.arm == arm]
            rows.append(
                {
                    "size": size,
                    "arm": arm,
                    "draws": aucs.shape[0],
                    "seeds": aucs.shape[1],
                    "train_images": {kind: round(np.mean([c[kind] for c in counts])) for kind in ("real", "synthetic")},
                    "auc": _estimate(aucs, 0.0),
                    "accuracy": _estimate(accuracies, 0.0),
                    "difference": None if arm == REFERENCE else _estimate(aucs - reference, -1.0),
                }
            )
    real = {row["size"]: row["auc"]["value"] for row in rows if row["arm"] == REFERENCE}
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


def _values(truth: Truth, draws: Sequence[Sequence[CellResult]], arm: str) -> tuple[FloatArray, FloatArray]:
    """AUC and accuracy `(D, S) float64` of an arm's cells, draw by draw, seeds in order."""
    cells = [sorted((cell for cell in of_draw if cell.arm == arm), key=lambda cell: cell.seed) for of_draw in draws]
    aucs = [[truth.auc(cell.test_scores).value for cell in of_draw] for of_draw in cells]
    accuracies = [[accuracy_influence(truth, cell.test_scores).value for cell in of_draw] for of_draw in cells]
    return np.array(aucs), np.array(accuracies)


def _estimate(values: FloatArray, low: float) -> dict[str, Any]:
    return {"value": float(values.mean()), "ci95": crossed_interval(values, low, 1.0)}
