"""The area under the ROC curve: its value, its variance after DeLong, and the paired test of two classifiers.

For m positives with scores x and n negatives with scores y, with psi 1, 1/2 or 0 for a pair won, tied or lost::

    AUC = mean over all pairs of psi(x_i, y_j)
    V10_i = mean over j of psi(x_i, y_j)      V01_j = mean over i of psi(x_i, y_j)       (placement values)
    var(AUC) = var(V10) / m + var(V01) / n                                               (sample variances)

DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988). Placement values come from midranks in O(n log n): Sun & Xu,
IEEE Signal Processing Letters 21:1389 (2014). Each case's contribution is its centred placement value over the size of
its group, times sqrt(m/(m-1)) or sqrt(n/(n-1)), so that the sum of squares is DeLong's variance exactly and the sum of
products of two classifiers' is his covariance. The contributions to a mean of several AUCs are the means of the
contributions, which is how macro AUCs get their variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from gan_aug.errors import DataError
from gan_aug.evaluation.uncertainty import (
    BoolArray,
    FloatArray,
    Influence,
    IntArray,
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
    """Placement values of the positives `(m,)` and of the negatives `(n,)`, each in 0..1, by midranks.

    `labels` is `(N,) bool`, `scores` `(N,) float64`, higher for more likely positive.
    """
    together = stats.rankdata(scores)
    positive, negative = scores[labels], scores[~labels]
    of_positives: FloatArray = (together[labels] - stats.rankdata(positive)) / len(negative)
    of_negatives: FloatArray = 1 - (together[~labels] - stats.rankdata(negative)) / len(positive)
    return of_positives, of_negatives


def auc_influence(labels: BoolArray, scores: FloatArray, name: str = "positive") -> Influence:
    """The AUC of one label with each case's contribution (the module's docstring has the formulas).

    Raises DataError where fewer than two cases have the label `name` or lack it, or a score is not finite.
    """
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) < 2:
        raise DataError(
            f"the test split has {m} images with label {name!r} and {n} without: an AUC with an interval needs two of "
            "each; move more studies to the test split or leave the label out"
        )
    if not np.isfinite(scores).all():
        raise DataError(f"a score of label {name!r} is not finite: train that classifier again with a lower rate")
    of_positives, of_negatives = placements(labels, scores)
    value = float(of_positives.mean())
    cases = np.empty(len(labels))
    cases[labels] = (of_positives - value) / math.sqrt(m * (m - 1))
    cases[~labels] = (of_negatives - value) / math.sqrt(n * (n - 1))
    return Influence(value, cases)


def macro_auc_influence(labels: BoolArray, scores: FloatArray, names: tuple[str, ...]) -> Influence:
    """The mean over labels of each label's AUC against the rest, with each case's contribution.

    `labels` and `scores` are `(N, K)`: one-vs-rest for multi-class, label by label for multi-label. Raises DataError
    as `auc_influence` does, naming the label.
    """
    parts = [auc_influence(labels[:, k], scores[:, k], name) for k, name in enumerate(names)]
    value = float(np.mean([part.value for part in parts]))
    return Influence(value, np.mean([part.cases for part in parts], axis=0))


def independent_pairs(labels: BoolArray, patients: IntArray) -> int:
    """The most pairs of a positive and a negative case that share no patient, at least 1.

    `labels` is `(N,)` or `(N, K)`, of which the scarcest label counts; `patients` is `(N,) int64`.
    """
    columns = labels.reshape(len(labels), -1)
    everyone = len(np.unique(patients))
    pairs = [
        min(len(np.unique(patients[column])), len(np.unique(patients[~column])), everyone // 2) for column in columns.T
    ]
    return max(1, min(pairs))


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
