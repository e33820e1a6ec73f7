"""Calibration: whether cases with a predicted probability of 80 % are positive in 80 % of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import FloatArray, IntArray

BINS = 10
_DRAWS = 200


@dataclass(frozen=True)
class CalibrationBin:
    """Cases of similar probability: the mean predicted probability, the observed share, and the number of cases."""

    predicted: float
    observed: float
    count: int


def calibration_curve(truth: GroundTruth, seeds: Sequence[FloatArray], bins: int = BINS) -> list[CalibrationBin]:
    """The calibration curve over the cases of all seeds, in bins of equal width.

    For two classes it uses the probabilities of the positive label, for multi-label those of every label, and for three
    or more classes that of the most likely class, and whether it is right (Guo et al. 2017).

    Args:
        truth: The labels.
        seeds: The scores `(N, K)` of each seed, from 0 to 1.
        bins: How many bins.

    Returns:
        The bins in order, without those that have no case.
    """
    parts = [_claims(truth, scores) for scores in seeds]
    claimed, true = (np.concatenate(of_all) for of_all in zip(*parts, strict=True))
    which = _bin_of(claimed, bins)
    counts = np.bincount(which, minlength=bins)
    predicted, observed = (np.bincount(which, weights=values, minlength=bins) for values in (claimed, true))
    return [
        CalibrationBin(float(predicted[k] / counts[k]), float(observed[k] / counts[k]), int(counts[k]))
        for k in np.flatnonzero(counts)
    ]


def expected_calibration_error(curve: Sequence[CalibrationBin]) -> float:
    """The mean distance of observed from predicted shares, weighted by cases, from 0 to 1 (Naeini et al. 2015)."""
    cases = sum(part.count for part in curve)
    return sum(part.count * abs(part.observed - part.predicted) for part in curve) / cases


def error_if_perfect(truth: GroundTruth, scores: FloatArray, bins: int = BINS) -> float:
    """The mean calibration error that scores would have if their probabilities were true.

    It is not 0, because the observed share of a few cases varies about their probability. It is the mean over random
    draws of the labels from the probabilities, with a fixed seed.

    Args:
        truth: The labels.
        scores: `(N, K)`, from 0 to 1.
        bins: As for the calibration curve.

    Returns:
        From 0 to 1.
    """
    claimed = _claims(truth, scores)[0]
    which, rng = _bin_of(claimed, bins), np.random.default_rng(0)
    errors = [
        np.abs(np.bincount(which, weights=(rng.random(len(claimed)) < claimed) - claimed)).sum() / len(claimed)
        for _ in range(_DRAWS)
    ]
    return float(np.mean(errors))


def _bin_of(claimed: FloatArray, bins: int) -> IntArray:
    """The bin of each probability; a bin contains its lower limit but not its upper one, the last bin both."""
    return np.minimum((claimed * bins).astype(np.int64), bins - 1)


def _claims(truth: GroundTruth, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The predicted probabilities, and whether each prediction was true, as 0 or 1."""
    target_scores = truth.target_scores(scores)
    if truth.positive is not None or truth.multi_label:
        return target_scores.ravel(), truth.target_labels.ravel().astype(np.float64)
    predicted = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return scores[rows, predicted], truth.labels[rows, predicted].astype(np.float64)
