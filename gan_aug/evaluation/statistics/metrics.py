"""The figures beside the AUC: accuracy, average precision, partial AUC, sensitivity, precision, recall, Brier score.

Scores are `(N, K) float64` probabilities in the order of the split's images. The predicted label of a case is its most
likely class (multi-class), or every label with a probability of at least 0.5 (multi-label).
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
    Gans,
    Influence,
    IntArray,
    cluster_factor,
    mean_influence,
    mean_over_seeds,
)


def predictions(truth: GroundTruth, scores: FloatArray) -> BoolArray:
    """The predicted labels of each case, `(N, K) bool`."""
    if truth.multi_label:
        return scores >= 0.5
    predicted: BoolArray = np.eye(scores.shape[1], dtype=np.bool_)[scores.argmax(axis=1)]
    return predicted


def accuracy_influence(truth: GroundTruth, scores: FloatArray) -> Influence:
    """The accuracy, with each case's contribution; for multi-label the mean over labels."""
    right = predictions(truth, scores) == truth.labels
    per_case = right.mean(axis=1) if truth.multi_label else right.all(axis=1).astype(np.float64)
    value = float(per_case.mean())
    return Influence(value, (per_case - value) * cluster_factor(truth.patients) / len(per_case))


def estimate_accuracy(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> Estimate:
    """The mean accuracy over `seeds`, with its 95 % interval over patients, seeds and `gans`, by Wilson's method.

    If every case is right in every seed, the interval is the exact binomial one.
    """
    influences = [accuracy_influence(truth, scores) for scores in seeds]
    return mean_over_seeds(influences, truth.patients, truth.patient_count, "wilson", gans)


def average_precision(truth: GroundTruth, scores: FloatArray) -> float:
    """The average precision of the positive label of two classes, else the mean over labels, from 0 to 1."""
    from sklearn.metrics import average_precision_score

    columns = zip(truth.target_labels.T, truth.target_scores(scores).T, strict=True)
    return float(np.mean([average_precision_score(labels, of_label) for labels, of_label in columns]))


def partial_auc(truth: GroundTruth, scores: FloatArray, max_false_positive: float) -> float:
    """The standardised partial AUC, see `auc.partial_auc`.

    Args:
        truth: The labels.
        scores: `(N, K)`.
        max_false_positive: The largest false-positive rate, above 0 and at most 1.

    Returns:
        That of the positive label of two classes, else the mean over labels: 0.5 by chance, 1 at best.
    """
    columns = zip(truth.target_labels.T, truth.target_scores(scores).T, strict=True)
    return float(np.mean([partial_area(labels, of_label, max_false_positive) for labels, of_label in columns]))


def brier(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> tuple[float, tuple[float, float]]:
    """The Brier score, the mean over `seeds`, with its 95 % interval over patients, seeds and `gans`; 0 is perfect.

    It is the mean squared distance of the probabilities from the true labels (Brier, Monthly Weather Review 78:1,
    1950). For two classes it is that of the positive label and for multi-label the mean over labels, both from 0 to 1.
    For three or more classes it is summed over classes, from 0 to 2. The interval is that of the score divided by its
    largest possible value, on the logit scale.
    """
    largest = 1 if truth.multi_label or truth.positive is not None else 2
    influences = []
    for scores in seeds:
        squares = (truth.target_scores(scores) - truth.target_labels) ** 2
        per_case = (squares.mean(axis=1) if truth.multi_label else squares.sum(axis=1)) / largest
        value = float(per_case.mean())
        influences.append(Influence(value, (per_case - value) * cluster_factor(truth.patients) / len(per_case)))
    estimate = mean_over_seeds(influences, truth.patients, truth.patient_count, "logit", gans)
    low, high = estimate.ci95
    return largest * estimate.value, (largest * low, largest * high)


@dataclass(frozen=True)
class OperatingPoint:
    """The sensitivity and specificity on the test, with one threshold for each label, chosen on validation."""

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
    """Sensitivity and specificity on the test at the threshold that has a given specificity on validation.

    The threshold is chosen without the test, so the specificity on the test differs from the one asked for.

    Args:
        validation: The labels of the validation images.
        validation_scores: Their scores, `(N, K)`.
        test: The labels of the test images.
        test_scores: Their scores, `(M, K)`.
        specificity: The one asked for, from 0 to 1.

    Returns:
        The thresholds, and sensitivity and specificity as means over labels; None if validation has no negative case
        for some label.
    """
    known = validation.target_scores(validation_scores)
    target_scores = test.target_scores(test_scores)
    thresholds, sensitivities, specificities = [], [], []
    for k in range(target_scores.shape[1]):
        negatives = np.sort(known[~validation.target_labels[:, k], k])
        if len(negatives) == 0:
            return None
        # The smallest threshold with at least the given share of negatives at or below it; 1e-9 allows for rounding.
        threshold = negatives[max(0, math.ceil(specificity * len(negatives) - 1e-9) - 1)]
        predicted, true = target_scores[:, k] > threshold, test.target_labels[:, k]
        thresholds.append(float(threshold))
        sensitivities.append(_share_among(predicted, true, test.patients))
        specificities.append(_share_among(~predicted, ~true, test.patients))
    return OperatingPoint(tuple(thresholds), mean_influence(sensitivities), mean_influence(specificities))


def estimate_share(truth: GroundTruth, influences: Sequence[Influence], among: BoolArray, gans: Gans = ()) -> Estimate:
    """The mean over seeds of a share, with its 95 % interval by Wilson's method.

    Args:
        truth: The labels and patients.
        influences: The share of each seed.
        among: `(N, K)`, the cases of which it is the share, for each label.
        gans: The GAN behind each seed.

    Returns:
        The mean and its interval over patients, seeds and GANs.
    """
    independent = min(len(np.unique(truth.patients[column])) for column in among.T)
    return mean_over_seeds(influences, truth.patients, independent, "wilson", gans)


def _share_among(predicted: BoolArray, among: BoolArray, patients: IntArray) -> Influence:
    """The share of `predicted` in the cases `among`, with each case's contribution."""
    value = float(predicted[among].mean())
    return Influence(value, np.where(among, predicted - value, 0.0) * cluster_factor(patients[among]) / among.sum())


def precision_recall(
    truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()
) -> list[tuple[Estimate | None, Estimate | None]]:
    """Precision and recall of each label over the cases of all `seeds`, with 95 % intervals by Wilson's method.

    The intervals include patients, seeds and `gans`. Precision is None if the label was predicted for no case, recall
    if no case has the label.
    """
    predicted = [predictions(truth, scores) for scores in seeds]
    found = []
    for k in range(len(truth.names)):
        predicted_k, true_k = [of_seed[:, k] for of_seed in predicted], [truth.labels[:, k]] * len(seeds)
        found.append((_pooled_share(truth, true_k, predicted_k, gans), _pooled_share(truth, predicted_k, true_k, gans)))
    return found


def _pooled_share(
    truth: GroundTruth, hits: Sequence[BoolArray], among: Sequence[BoolArray], gans: Gans
) -> Estimate | None:
    """The share of `hits` in the cases `among` `(N,)` of all seeds together; None if there are no such cases.

    Seeds differ in their numbers of cases, so the ratio of the two sums is linearised: a seed's value is the common
    share plus its own surplus of hits, divided by the mean number of cases.
    """
    mean_count = float(np.mean([of_seed.sum() for of_seed in among]))
    if mean_count == 0:
        return None
    value = float(np.mean([(hit & of_seed).sum() for hit, of_seed in zip(hits, among, strict=True)])) / mean_count
    factor = cluster_factor(truth.patients[np.any(among, axis=0)]) / mean_count
    influences = []
    for hit, of_seed in zip(hits, among, strict=True):
        surplus = np.where(of_seed, hit - value, 0.0)
        influences.append(Influence(value + float(surplus.sum()) / mean_count, surplus * factor))
    return estimate_share(truth, influences, np.any(among, axis=0)[:, None], gans)


def confusion(truth: GroundTruth, seeds: Sequence[FloatArray]) -> list[list[int]] | None:
    """The confusion matrix over the cases of all `seeds` together: true classes in rows, predicted ones in columns.

    None for multi-label, because there a case may have several labels.
    """
    if truth.multi_label:
        return None
    summed = np.sum([truth.labels.T.astype(np.int64) @ predictions(truth, scores) for scores in seeds], axis=0)
    counts: list[list[int]] = summed.tolist()
    return counts
