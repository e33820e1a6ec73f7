"""The area under the ROC curve: its value, DeLong's variance, and the paired test of two classifiers.

There are m positives with scores x and n negatives with scores y; psi is 1, 1/2 or 0 if a pair is won, tied or lost::

    AUC = mean over all pairs of psi(x_i, y_j)
    V10_i = mean over j of psi(x_i, y_j)      V01_j = mean over i of psi(x_i, y_j)       (placement values)
    var(AUC) = var(V10) / m + var(V01) / n                                               (sample variances)

DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988). Placement values are computed from midranks in O(n log n):
Sun & Xu, IEEE Signal Processing Letters 21:1389 (2014).

The contribution of a case is its centred placement value, divided by the size of its group and multiplied by
sqrt(m/(m-1)) or sqrt(n/(n-1)). So the sum of squares of the contributions is exactly DeLong's variance, and the sum of
products of two classifiers' contributions is DeLong's covariance. If patients have several images, m and n in these
factors are the numbers of patients with a positive and with a negative image (Obuchowski, Biometrics 53:567, 1997). The
contributions to a mean of several AUCs are the means of their contributions; this gives macro AUCs their variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.intervals import plain_interval
from gan_aug.evaluation.statistics.uncertainty import (
    BoolArray,
    FloatArray,
    Influence,
    IntArray,
    cluster_factor,
    difference,
    mean_over_seeds,
    p_value,
)


@dataclass(frozen=True)
class AucResult:
    """An AUC from 0 to 1, with its standard error and 95 % interval over test cases."""

    value: float
    se: float
    ci95: tuple[float, float]


def midranks(values: FloatArray) -> FloatArray:
    """The rank of each of the values `(N,)` among all, from 1; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks


def placements(labels: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The placement values of the positives, `(m,)`, and of the negatives, `(n,)`, each from 0 to 1.

    `labels` is `(N,) bool`; `scores` is `(N,) float64`, higher for more likely positive.
    """
    ranks = midranks(scores)
    # A case's rank among all cases less its rank in its own class: how many cases of the other class are below it.
    negatives_below = ranks[labels] - midranks(scores[labels])
    positives_below = ranks[~labels] - midranks(scores[~labels])
    return negatives_below / (~labels).sum(), 1 - positives_below / labels.sum()


def auc_influence(
    labels: BoolArray, scores: FloatArray, name: str = "positive", patients: IntArray | None = None
) -> Influence:
    """The AUC of one label with each case's contribution; the module's docstring has the formulas.

    Args:
        labels: `(N,) bool`.
        scores: `(N,) float64`, higher for more likely positive.
        name: The label's name, for error messages.
        patients: `(N,) int64`, the patient of each case; without it every case is another patient.

    Returns:
        The AUC and the contributions.

    Raises:
        DataError: There are fewer than two cases with the label or without it, or a score is not finite.
    """
    _check(labels, scores, name, 2)
    m, n = int(labels.sum()), int((~labels).sum())
    of_positives, of_negatives = placements(labels, scores)
    value = float(of_positives.mean())
    cases = np.empty(len(labels))
    groups = _each(labels) if patients is None else patients
    cases[labels] = (of_positives - value) * cluster_factor(groups[labels]) / m
    cases[~labels] = (of_negatives - value) * cluster_factor(groups[~labels]) / n
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
    """The area under the ROC curve up to a false-positive rate, standardised to 0.5 for chance and 1 for the best.

    McClish, Med. Decis. Making 9:190 (1989): `(1 + (area - chance) / (best - chance)) / 2`, where `chance` is half the
    square of the rate and `best` is the rate. A classifier below chance can have less than 0.5.

    Args:
        labels: `(N,) bool`.
        scores: `(N,) float64`, higher for more likely positive.
        max_false_positive: The rate, above 0 and at most 1.
        name: The label's name, for error messages.

    Returns:
        The standardised area.

    Raises:
        DataError: There is no case with the label or none without it, or a score is not finite.
    """
    from sklearn.metrics import roc_auc_score

    _check(labels, scores, name, 1)
    return float(roc_auc_score(labels, scores, max_fpr=max_false_positive))


def macro_auc_influence(
    labels: BoolArray, scores: FloatArray, names: tuple[str, ...], patients: IntArray | None = None
) -> Influence:
    """The mean over labels of each label's AUC against the rest, with each case's contribution.

    Args:
        labels: `(N, K) bool`: one-vs-rest for multi-class, each label on its own for multi-label.
        scores: `(N, K) float64`.
        names: The labels' names, for error messages.
        patients: `(N,) int64`, the patient of each case; without it every case is another patient.

    Returns:
        The mean AUC and the contributions.

    Raises:
        DataError: As `auc_influence`, naming the label.
    """
    parts = [auc_influence(labels[:, k], scores[:, k], name, patients) for k, name in enumerate(names)]
    value = float(np.mean([part.value for part in parts]))
    return Influence(value, np.mean([part.cases for part in parts], axis=0))


def independent_pairs(labels: BoolArray, patients: IntArray) -> int:
    """The largest number of pairs of a positive and a negative case that share no patient, at least 1.

    `labels` is `(N,)` or `(N, K)`; of several labels the one with the fewest pairs counts. `patients` is `(N,) int64`.
    """
    columns = labels.reshape(len(labels), -1)
    everyone = _count(patients)
    pairs = [min(_count(patients[column]), _count(patients[~column]), everyone // 2) for column in columns.T]
    return max(1, min(pairs))


def _count(patients: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(patients)))


def auc(labels: BoolArray, scores: FloatArray, scale: Literal["logit", "identity"] = "logit") -> AucResult:
    """The AUC with DeLong's standard error and 95 % interval.

    If every pair was won, the variance is 0 and the bound is exact: see `uncertainty.exact_interval`.

    Args:
        labels: `(N,) bool`.
        scores: `(N,) float64`, higher for more likely positive.
        scale: `identity` gives DeLong's untransformed interval, cut to [0, 1]; `logit` gives an interval that stays
            within [0, 1] by itself and has a better coverage near 1.

    Returns:
        The AUC, its standard error and its interval.

    Raises:
        DataError: There are fewer than two positives or negatives, or a score is not finite.
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
    """DeLong's paired test that two classifiers have the same AUC on the same cases.

    Args:
        labels: `(N,) bool`.
        first: `(N,) float64`, the scores of one classifier.
        second: `(N,) float64`, the scores of the other one.

    Returns:
        The two-sided p-value.

    Raises:
        DataError: There are fewer than two positives or negatives, or a score is not finite.
    """
    return paired_test(
        auc_influence(labels, first), auc_influence(labels, second), independent_pairs(labels, _each(labels))
    )


def paired_test(first: Influence, second: Influence, independent: int) -> float:
    """DeLong's paired test of two AUCs, also macro AUCs, of the same cases; every image counts as independent.

    Args:
        first: One AUC.
        second: The other one.
        independent: See `independent_pairs`; used if no case distinguishes the two.

    Returns:
        The two-sided p-value.
    """
    apart = difference(first, second)
    return p_value(mean_over_seeds([apart], _each(apart.cases), independent, "identity"))


def _each(cases: BoolArray | FloatArray) -> IntArray:
    return np.arange(len(cases))
