"""The figures beside the AUC: accuracy, average precision, partial AUC, sensitivity, precision, recall, Brier score.

Scores are `(N, K) float64` probabilities in the order of the split's images. A case counts as positive for its most
likely class (multi-class) or for every label of probability 0.5 and more (multi-label).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_aug.evaluation.auc import partial_auc as partial_area
from gan_aug.evaluation.truth import Truth
from gan_aug.evaluation.uncertainty import (
    BoolArray,
    Estimate,
    FloatArray,
    Influence,
    IntArray,
    clustered,
    mean_over_seeds,
)


def predictions(truth: Truth, scores: FloatArray) -> BoolArray:
    """What the scores call each case, `(N, K) bool`."""
    if truth.multi_label:
        return scores >= 0.5
    called: BoolArray = np.eye(scores.shape[1], dtype=np.bool_)[scores.argmax(axis=1)]
    return called


def accuracy_influence(truth: Truth, scores: FloatArray) -> Influence:
    """The share called right, with each case's contribution; for multi-label the mean over labels."""
    right = predictions(truth, scores) == truth.labels
    per_case = right.mean(axis=1) if truth.multi_label else right.all(axis=1).astype(np.float64)
    value = float(per_case.mean())
    return Influence(value, (per_case - value) * clustered(truth.patients) / len(per_case))


def estimate_accuracy(truth: Truth, seeds: Sequence[FloatArray]) -> Estimate:
    """The mean accuracy over `seeds` with its 95 % interval over patients and seeds, after Wilson.

    With all right in every seed it is the exact binomial one.
    """
    influences = [accuracy_influence(truth, scores) for scores in seeds]
    return mean_over_seeds(influences, truth.patients, truth.patient_count, "wilson")


def average_precision(truth: Truth, scores: FloatArray) -> float:
    """The average precision of the positive label of two classes, else the mean over labels, in 0..1."""
    from sklearn.metrics import average_precision_score

    judged = truth.judged_scores(scores)
    return float(np.mean([average_precision_score(truth.judged[:, k], judged[:, k]) for k in range(judged.shape[1])]))


def partial_auc(truth: Truth, scores: FloatArray, max_false_positive: float) -> float:
    """The standardised partial AUC (see `auc.partial_auc`) of the positive label of two classes, else the labels' mean.

    0.5 by chance, 1 at best.
    """
    judged = truth.judged_scores(scores)
    columns = range(judged.shape[1])
    return float(np.mean([partial_area(truth.judged[:, k], judged[:, k], max_false_positive) for k in columns]))


def brier(truth: Truth, scores: FloatArray) -> float:
    """The mean squared distance of the probabilities from the truth; 0 is perfect.

    Brier, Monthly Weather Review 78:1 (1950): summed over classes, so in 0..2, for three classes and more; that of the
    positive label for two classes and the mean over labels for multi-label, in 0..1.
    """
    squares = (truth.judged_scores(scores) - truth.judged) ** 2
    return float(squares.mean() if truth.multi_label else squares.sum(axis=1).mean())


@dataclass(frozen=True)
class OperatingPoint:
    """What thresholds chosen on validation, one for each judged label, reach on the test: the mean over labels."""

    thresholds: tuple[float, ...]
    sensitivity: Influence
    specificity: Influence


def operating_point(
    validation: Truth, validation_scores: FloatArray, test: Truth, test_scores: FloatArray, specificity: float
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


def estimate_share(truth: Truth, influences: Sequence[Influence], among: BoolArray) -> Estimate:
    """The mean over seeds of shares of the cases `among` `(N, K)`, with its 95 % interval after Wilson."""
    independent = min(len(np.unique(truth.patients[column])) for column in among.T)
    return mean_over_seeds(influences, truth.patients, independent, "wilson")


def _share_among(called: BoolArray, among: BoolArray, patients: IntArray) -> Influence:
    """The share of the cases `among` that is called, with each case's contribution."""
    value = float(called[among].mean())
    return Influence(value, np.where(among, called - value, 0.0) * clustered(patients[among]) / among.sum())


def _mean_influence(parts: Sequence[Influence]) -> Influence:
    return Influence(float(np.mean([part.value for part in parts])), np.mean([part.cases for part in parts], axis=0))


def precision_recall(truth: Truth, seeds: Sequence[FloatArray]) -> list[tuple[float | None, float | None]]:
    """Precision and recall of each label, over the cases of all `seeds` together.

    Precision is None where no case was called so, recall where none is.
    """
    called = np.concatenate([predictions(truth, scores) for scores in seeds])
    labels = np.concatenate([truth.labels] * len(seeds))
    hits, all_called, all_true = (called & labels).sum(axis=0), called.sum(axis=0), labels.sum(axis=0)
    return [
        (_share(int(hit), int(calls)), _share(int(hit), int(trues)))
        for hit, calls, trues in zip(hits, all_called, all_true, strict=True)
    ]


def confusion(truth: Truth, seeds: Sequence[FloatArray]) -> list[list[int]] | None:
    """How often a case of each class (rows) was called each class (columns), over the cases of all `seeds` together.

    None for multi-label, where a case may be of several.
    """
    if truth.multi_label:
        return None
    called = np.sum([truth.labels.T.astype(np.int64) @ predictions(truth, scores) for scores in seeds], axis=0)
    counts: list[list[int]] = called.tolist()
    return counts


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
