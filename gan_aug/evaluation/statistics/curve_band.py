"""Curves averaged over seeds on a common grid, with pointwise bands over patients and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import BoolArray, FloatArray

REPLICATES = 100
Curve = Callable[[BoolArray, FloatArray, FloatArray], FloatArray]
"""Gets labels `(N,)`, scores `(N,)` and case weights `(B, N)`; gives the curve's heights on the grid, `(B, G)`."""


@dataclass(frozen=True)
class CurveBand:
    """A mean curve: at each `x` of the grid its mean height and the pointwise 95 % limits of that, all in 0..1."""

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def curve_band(truth: GroundTruth, seeds: Sequence[FloatArray], grid: FloatArray, curve: Curve) -> CurveBand:
    """The curve of scores `(N, K)`, the vertical average over `seeds` and, where there are several, over labels.

    Heights are averaged at equal `x` (Fawcett 2006, section 8). The band adds the seeds' variance over S to the
    patients', which comes from a Bayesian bootstrap (Rubin 1981: exponential weights, so that no class is ever empty)
    with the same weights for every seed, as patients and seeds are crossed.
    """
    curves, replicates = resampled(truth, seeds, curve)
    of_patients = replicates.mean(axis=0).var(axis=0, ddof=1)
    count, mean = len(seeds), curves.mean(axis=0)
    of_seeds = curves.var(axis=0, ddof=1) / count if count > 1 else np.zeros_like(mean)
    total = of_patients + of_seeds
    df = np.full_like(total, math.inf)
    np.divide(total**2 * (count - 1), of_seeds**2, out=df, where=of_seeds > 0)
    half = stats.t.ppf(0.975, df) * np.sqrt(total)
    return CurveBand(grid, mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))


def resampled(truth: GroundTruth, seeds: Sequence[FloatArray], curve: Curve) -> tuple[FloatArray, FloatArray]:
    """Each seed's heights `(S, G)`, and those on Bayesian bootstrap replicates of the patients `(S, REPLICATES, G)`."""
    patients = len(np.unique(truth.patients))
    weights = np.random.default_rng(0).exponential(size=(REPLICATES, patients))[:, truth.patients]
    plain = np.ones((1, len(truth.patients)))
    curves = np.array([_of_labels(truth, scores, plain, curve)[0] for scores in seeds])
    return curves, np.array([_of_labels(truth, scores, weights, curve) for scores in seeds])


def _of_labels(truth: GroundTruth, scores: FloatArray, weights: FloatArray, curve: Curve) -> FloatArray:
    """Heights on the grid, `(B, G)`, one curve for each row of case weights `(B, N)`; the mean over labels."""
    judged = truth.judged_scores(scores)
    curves = [curve(truth.judged[:, k], judged[:, k], weights) for k in range(judged.shape[1])]
    average: FloatArray = np.mean(curves, axis=0)
    return average


def cumulated(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The weight of positives and of negatives at or above each score, highest first, each `(B, T)`.

    Cases of one score pass the threshold together: only the last of them is a point of the curve.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    of_case, positive = weights[:, order], labels[order]
    return np.cumsum(of_case * positive, axis=1)[:, ends], np.cumsum(of_case * ~positive, axis=1)[:, ends]
