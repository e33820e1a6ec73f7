"""The area under the ROC curve: its value, its variance after DeLong, and the paired test of two classifiers.

For m positives with scores x and n negatives with scores y, with psi 1, 1/2 or 0 for a pair won, tied or lost::

    AUC = mean over all pairs of psi(x_i, y_j)
    V10_i = mean over j of psi(x_i, y_j)      V01_j = mean over i of psi(x_i, y_j)       (placement values)
    var(AUC) = var(V10) / m + var(V01) / n                                               (sample variances)

DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988). Placement values come from midranks in O(n log n): Sun & Xu,
IEEE Signal Processing Letters 21:1389 (2014). Each case's contribution is its centred placement value over the size of
its group, times sqrt(m/(m-1)) or sqrt(n/(n-1)), so that the sum of squares is DeLong's variance exactly and the sum of
products of two classifiers' is his covariance. Where patients have several images the factors are those of the patients
with a positive and of those with a negative image (Obuchowski, Biometrics 53:567, 1997). The contributions to a mean of
several AUCs are the means of the contributions, which is how macro AUCs get their variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.uncertainty import (
    BoolArray,
    FloatArray,
    Influence,
    IntArray,
    clustered,
    difference,
    mean_over_seeds,
    p_value,
    plain_interval,
)


@dataclass(frozen=True)
class AucResult:
    """An AUC in 0..1 with its standard error and 95 % interval over test cases."""

    value: float
    se: float
    ci95: tuple[float, float]


def placements(labels: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Placement values of the positives `(m,)` and of the negatives `(n,)`, each in 0..1, by midranks of one sort.

    `labels` is `(N,) bool`, `scores` `(N,) float64`, higher for more likely positive.
    """
    order = np.argsort(scores)
    arranged, positive = scores[order], labels[order]
    starts = np.concatenate([[True], arranged[1:] != arranged[:-1]])
    group = np.cumsum(starts) - 1
    first = np.append(np.flatnonzero(starts), len(order))
    # Positives and negatives below each group of equal scores, counting half of the group itself.
    won = [np.concatenate([[0], np.cumsum(of_class)])[first] for of_class in (positive, ~positive)]
    positives_below, negatives_below = ((sums[:-1] + sums[1:]) / 2 for sums in won)
    below = np.empty(len(order))
    below[order] = np.where(positive, negatives_below[group], positives_below[group])
    m, n = int(labels.sum()), int((~labels).sum())
    return below[labels] / n, 1 - below[~labels] / m


def auc_value(labels: BoolArray, scores: FloatArray, name: str = "positive") -> float:
    """The AUC of scores `(N,) float64` for labels `(N,) bool`, in 0..1.

    Raises DataError where no case has the label `name` or none lacks it, or a score is not finite.
    """
    _check(labels, scores, name, 1)
    return float(placements(labels, scores)[0].mean())


def auc_influence(
    labels: BoolArray, scores: FloatArray, name: str = "positive", patients: IntArray | None = None
) -> Influence:
    """The AUC of one label with each case's contribution (the module's docstring has the formulas).

    `patients` is `(N,) int64`; without it every case is a patient of its own. Raises DataError where fewer than two
    cases have the label `name` or lack it, or a score is not finite.
    """
    _check(labels, scores, name, 2)
    m, n = int(labels.sum()), int((~labels).sum())
    of_positives, of_negatives = placements(labels, scores)
    value = float(of_positives.mean())
    cases = np.empty(len(labels))
    groups = _each(labels) if patients is None else patients
    cases[labels] = (of_positives - value) * clustered(groups[labels]) / m
    cases[~labels] = (of_negatives - value) * clustered(groups[~labels]) / n
    return Influence(value, cases)


def _check(labels: BoolArray, scores: FloatArray, name: str, wanted: int) -> None:
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) < wanted:
        needs = "an AUC needs one of each" if wanted == 1 else "an AUC with an interval needs two of each"
        raise DataError(
            f"the test split has {m} images with label {name!r} and {n} without: {needs}; move more studies to the "
            "test split or leave the label out"
        )
    if not np.isfinite(scores).all():
        raise DataError(f"a score of label {name!r} is not finite: train that classifier again with a lower rate")


def partial_auc(labels: BoolArray, scores: FloatArray, max_false_positive: float, name: str = "positive") -> float:
    """The area under the ROC curve up to a false-positive rate in (0, 1], standardised to 0.5 by chance and 1 at best.

    McClish, Med. Decis. Making 9:190 (1989): `(1 + (area - chance) / (best - chance)) / 2`, with `chance` half the
    square of the rate and `best` the rate. Below chance it can fall under 0.5. Raises DataError as `auc_value` does.
    """
    _check(labels, scores, name, 1)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.concatenate([[0.0], np.cumsum(labels[order])[ends] / labels.sum()])
    alarms = np.concatenate([[0.0], np.cumsum(~labels[order])[ends] / (~labels).sum()])
    inside = alarms <= max_false_positive
    edge = np.interp(max_false_positive, alarms, hits) if not inside.all() else hits[-1]
    x, y = np.append(alarms[inside], max_false_positive), np.append(hits[inside], edge)
    area, chance = float(np.trapezoid(y, x)), max_false_positive**2 / 2
    return (1 + (area - chance) / (max_false_positive - chance)) / 2


def macro_auc_influence(
    labels: BoolArray, scores: FloatArray, names: tuple[str, ...], patients: IntArray | None = None
) -> Influence:
    """The mean over labels of each label's AUC against the rest, with each case's contribution.

    `labels` and `scores` are `(N, K)`: one-vs-rest for multi-class, label by label for multi-label; `patients` as for
    `auc_influence`. Raises DataError as that does, naming the label.
    """
    parts = [auc_influence(labels[:, k], scores[:, k], name, patients) for k, name in enumerate(names)]
    value = float(np.mean([part.value for part in parts]))
    return Influence(value, np.mean([part.cases for part in parts], axis=0))


def independent_pairs(labels: BoolArray, patients: IntArray) -> int:
    """The most pairs of a positive and a negative case that share no patient, at least 1.

    `labels` is `(N,)` or `(N, K)`, of which the scarcest label counts; `patients` is `(N,) int64`.
    """
    columns = labels.reshape(len(labels), -1)
    everyone = _count(patients)
    pairs = [min(_count(patients[column]), _count(patients[~column]), everyone // 2) for column in columns.T]
    return max(1, min(pairs))


def _count(patients: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(patients)))


def auc(labels: BoolArray, scores: FloatArray, scale: Literal["logit", "identity"] = "logit") -> AucResult:
    """The AUC of scores `(N,) float64` for labels `(N,) bool` with DeLong's standard error and 95 % interval.

    `scale` identity is DeLong's untransformed interval, cut to 0..1; logit keeps within 0..1 by itself and covers
    better near 1. Where every pair was won (no variance) the bound is exact: see `uncertainty.exact_interval`.
    Raises DataError where a class is absent.
    """
    influence = auc_influence(labels, scores)
    patients = np.arange(len(labels))
    estimate = mean_over_seeds([influence], patients, independent_pairs(labels, patients), "logit")
    interval = estimate.ci95
    if scale == "identity" and estimate.se > 0:
        low, high = plain_interval(estimate.value, estimate.se)
        interval = max(0.0, low), high
    return AucResult(estimate.value, estimate.se, interval)


def delong_test(labels: BoolArray, first: FloatArray, second: FloatArray) -> float:
    """The two-sided p of DeLong's paired test that two score vectors `(N,)` have the same AUC on the same cases."""
    return paired_test(
        auc_influence(labels, first), auc_influence(labels, second), independent_pairs(labels, _each(labels))
    )


def paired_test(first: Influence, second: Influence, independent: int) -> float:
    """DeLong's paired test of two AUCs (macro ones too) of the same cases, every image counted as independent."""
    apart = difference(first, second)
    return p_value(mean_over_seeds([apart], _each(apart.cases), independent, "identity"))


def _each(cases: BoolArray | FloatArray) -> IntArray:
    return np.arange(len(cases))
