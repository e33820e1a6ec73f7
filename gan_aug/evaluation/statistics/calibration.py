"""Calibration: whether what is called 80 % likely is true in 80 % of cases."""

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
    """Cases of similar probability: the mean predicted, the share observed, both in 0..1, and how many they are."""

    predicted: float
    observed: float
    count: int


def calibration_curve(truth: GroundTruth, seeds: Sequence[FloatArray], bins: int = BINS) -> list[CalibrationBin]:
    """The calibration curve of scores `(N, K)` in 0..1, in equal steps of probability, over the cases of all `seeds`.

    For two classes it is that of the positive label, for multi-label of every label's probability; for three classes
    and more that of the most likely class and its being right (Guo et al. 2017). Bins without cases are left out.
    """
    parts = [_claims(truth, scores) for scores in seeds]
    claimed, held = (np.concatenate(of_all) for of_all in zip(*parts, strict=True))
    which = _bin_of(claimed, bins)
    counts = np.bincount(which, minlength=bins)
    predicted, observed = (np.bincount(which, weights=values, minlength=bins) for values in (claimed, held))
    return [
        CalibrationBin(float(predicted[k] / counts[k]), float(observed[k] / counts[k]), int(counts[k]))
        for k in np.flatnonzero(counts)
    ]


def expected_calibration_error(curve: Sequence[CalibrationBin]) -> float:
    """The mean distance of observed shares from predicted ones, weighted by cases, in 0..1 (Naeini et al. 2015)."""
    cases = sum(part.count for part in curve)
    return sum(part.count * abs(part.observed - part.predicted) for part in curve) / cases


def error_if_perfect(truth: GroundTruth, scores: FloatArray, bins: int = BINS) -> float:
    """The expected calibration error that scores `(N, K)` would have on average if their probabilities were true.

    It is not 0: what holds of few cases scatters about its probability. The mean over labels drawn from the
    probabilities, case by case, from a seed of its own.
    """
    claimed = _claims(truth, scores)[0]
    which, rng = _bin_of(claimed, bins), np.random.default_rng(0)
    errors = [
        np.abs(np.bincount(which, weights=(rng.random(len(claimed)) < claimed) - claimed)).sum() / len(claimed)
        for _ in range(_DRAWS)
    ]
    return float(np.mean(errors))


def _bin_of(claimed: FloatArray, bins: int) -> IntArray:
    """The bin of each probability: closed below and open above, the last one closed."""
    return np.minimum((claimed * bins).astype(np.int64), bins - 1)


def _claims(truth: GroundTruth, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities claimed and, as 0 or 1, what held."""
    judged = truth.judged_scores(scores)
    if truth.positive is not None or truth.multi_label:
        return judged.ravel(), truth.judged.ravel().astype(np.float64)
    called = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return scores[rows, called], truth.labels[rows, called].astype(np.float64)
