"""The figures beside the AUC: accuracy, average precision, partial AUC, sensitivity, precision, recall, Brier score.

Scores are `(N, K) float64` probabilities in the order of the split's images. A case counts as positive for its most
likely class (multi-class) or for every label of probability 0.5 and more (multi-label).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_aug.evaluation.statistics.auc import partial_auc as partial_area
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import (
    BoolArray,
    Estimate,
    FloatArray,
    Influence,
    IntArray,
    clustered,
    mean_over_seeds,
)


def predictions(truth: GroundTruth, scores: FloatArray) -> BoolArray:
    """What the scores call each case, `(N, K) bool`."""
    if truth.multi_label:
        return scores >= 0.5
    called: BoolArray = np.eye(scores.shape[1], dtype=np.bool_)[scores.argmax(axis=1)]
    return called


def accuracy_influence(truth: GroundTruth, scores: FloatArray) -> Influence:
    """The share called right, with each case's contribution; for multi-label the mean over labels."""
    right = predictions(truth, scores) == truth.labels
    per_case = right.mean(axis=1) if truth.multi_label else right.all(axis=1).astype(np.float64)
    value = float(per_case.mean())
    return Influence(value, (per_case - value) * clustered(truth.patients) / len(per_case))


def estimate_accuracy(truth: GroundTruth, seeds: Sequence[FloatArray]) -> Estimate:
    """The mean accuracy over `seeds` with its 95 % interval over patients and seeds, after Wilson.

    With all right in every seed it is the exact binomial one.
    """
    influences = [accuracy_influence(truth, scores) for scores in seeds]
    return mean_over_seeds(influences, truth.patients, truth.patient_count, "wilson")


def average_precision(truth: GroundTruth, scores: FloatArray) -> float:
    """The average precision of the positive label of two classes, else the mean over labels, in 0..1."""
    from sklearn.metrics import average_precision_score

    judged = truth.judged_scores(scores)
    return float(np.mean([average_precision_score(truth.judged[:, k], judged[:, k]) for k in range(judged.shape[1])]))


def partial_auc(truth: GroundTruth, scores: FloatArray, max_false_positive: float) -> float:
    """The standardised partial AUC (see `auc.partial_auc`) of the positive label of two classes, else the labels' mean.

    0.5 by chance, 1 at best.
    """
    judged = truth.judged_scores(scores)
    columns = range(judged.shape[1])
    return float(np.mean([partial_area(truth.judged[:, k], judged[:, k], max_false_positive) for k in columns]))


def brier(truth: GroundTruth, seeds: Sequence[FloatArray]) -> tuple[float, tuple[float, float]]:
    """The mean squared distance of the probabilities from the truth, the mean over `seeds`; 0 is perfect.

    Brier, Monthly Weather Review 78:1 (1950): summed over classes, so in 0..2, for three classes and more; that of the
    positive label for two classes and the mean over labels for multi-label, in 0..1. With its 95 % interval over
    patients and seeds, on the logit scale of its share of the largest there is.
    """
    largest = 1 if truth.multi_label or truth.positive is not None else 2
    influences = []
    for scores in seeds:
        squares = (truth.judged_scores(scores) - truth.judged) ** 2
        per_case = (squares.mean(axis=1) if truth.multi_label else squares.sum(axis=1)) / largest
        value = float(per_case.mean())
        influences.append(Influence(value, (per_case - value) * clustered(truth.patients) / len(per_case)))
    estimate = mean_over_seeds(influences, truth.patients, truth.patient_count, "logit")
    low, high = estimate.ci95
    return largest * estimate.value, (largest * low, largest * high)


@dataclass(frozen=True)
class OperatingPoint:
    """What thresholds chosen on validation, one for each judged label, reach on the test: the mean over labels."""

    thresholds: tuple[float, ...]
    sensitivity: Influence
    specificity: Influence


def operating_point(
    validation: GroundTruth,
    validation_scores: FloatArray,
    test: GroundTruth,
    test_scores: FloatArray,
    specificity: float,
) -> OperatingPoint | None:
    """Sensitivity and specificity reached on the test at the threshold that gives `specificity` on validation.

    The threshold never sees the test, so the specificity reached there differs from the one asked for; both are
    given. The mean over labels where there are several; None where validation has no negative of some label.
    """
    known = validation.judged_scores(validation_scores)
    judged = test.judged_scores(test_scores)
    thresholds, found, spared = [], [], []
    for k in range(judged.shape[1]):
        negatives = np.sort(known[~validation.judged[:, k], k])
        if len(negatives) == 0:
            return None
        # The smallest threshold at which the asked share of negatives is not above it; rounding must not add a case.
        threshold = negatives[max(0, math.ceil(specificity * len(negatives) - 1e-9) - 1)]
        called, truth = judged[:, k] > threshold, test.judged[:, k]
        thresholds.append(float(threshold))
        found.append(_share_among(called, truth, test.patients))
        spared.append(_share_among(~called, ~truth, test.patients))
    return OperatingPoint(tuple(thresholds), _mean_influence(found), _mean_influence(spared))


def estimate_share(truth: GroundTruth, influences: Sequence[Influence], among: BoolArray) -> Estimate:
    """The mean over seeds of shares of the cases `among` `(N, K)`, with its 95 % interval after Wilson."""
    independent = min(len(np.unique(truth.patients[column])) for column in among.T)
    return mean_over_seeds(influences, truth.patients, independent, "wilson")


def _share_among(called: BoolArray, among: BoolArray, patients: IntArray) -> Influence:
    """The share of the cases `among` that is called, with each case's contribution."""
    value = float(called[among].mean())
    return Influence(value, np.where(among, called - value, 0.0) * clustered(patients[among]) / among.sum())


def _mean_influence(parts: Sequence[Influence]) -> Influence:
    return Influence(float(np.mean([part.value for part in parts])), np.mean([part.cases for part in parts], axis=0))


def precision_recall(truth: GroundTruth, seeds: Sequence[FloatArray]) -> list[tuple[Estimate | None, Estimate | None]]:
    """Precision and recall of each label, over the cases of all `seeds` together, with 95 % intervals after Wilson.

    Precision is None where no case was called so, recall where none is.
    """
    called = [predictions(truth, scores) for scores in seeds]
    found = []
    for k in range(len(truth.names)):
        of_label, is_so = [calls[:, k] for calls in called], truth.labels[:, k]
        precision = _pooled_share(truth, [is_so] * len(seeds), of_label)
        found.append((precision, _pooled_share(truth, of_label, [is_so] * len(seeds))))
    return found


def _pooled_share(truth: GroundTruth, hits: Sequence[BoolArray], among: Sequence[BoolArray]) -> Estimate | None:
    """The share of `hits` among the cases `among` `(N,)` of all seeds together; None where there are no such cases.

    Seeds differ in how many cases they count, so the ratio of both sums is taken to first order: each seed's value is
    the share plus its own surplus of hits over the mean number of cases.
    """
    mean_count = float(np.mean([of_seed.sum() for of_seed in among]))
    if mean_count == 0:
        return None
    value = float(np.mean([(hit & of_seed).sum() for hit, of_seed in zip(hits, among, strict=True)])) / mean_count
    factor = clustered(truth.patients[np.any(among, axis=0)]) / mean_count
    influences = []
    for hit, of_seed in zip(hits, among, strict=True):
        surplus = np.where(of_seed, hit - value, 0.0)
        influences.append(Influence(value + float(surplus.sum()) / mean_count, surplus * factor))
    return estimate_share(truth, influences, np.any(among, axis=0)[:, None])


def confusion(truth: GroundTruth, seeds: Sequence[FloatArray]) -> list[list[int]] | None:
    """How often a case of each class (rows) was called each class (columns), over the cases of all `seeds` together.

    None for multi-label, where a case may be of several.
    """
    if truth.multi_label:
        return None
    called = np.sum([truth.labels.T.astype(np.int64) @ predictions(truth, scores) for scores in seeds], axis=0)
    counts: list[list[int]] = called.tolist()
    return counts
