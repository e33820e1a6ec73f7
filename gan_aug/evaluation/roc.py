"""ROC curves averaged over seeds, with pointwise bands over patients and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gan_aug.evaluation.truth import Truth
from gan_aug.evaluation.uncertainty import BoolArray, FloatArray

REPLICATES = 100
# Dense near 0, where the curves of good classifiers turn.
_GRID: FloatArray = np.unique(np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 120), np.linspace(0.0, 1.0, 101)]))


@dataclass(frozen=True)
class RocBand:
    """A mean ROC curve: at each false-positive rate the mean sensitivity and its pointwise 95 % limits, all in 0..1."""

    false_positive: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def roc_band(truth: Truth, seeds: Sequence[FloatArray]) -> RocBand:
    """The ROC curve of scores `(N, K)`, the vertical average over `seeds` and, where there are several, over labels.

    Sensitivities are averaged at equal false-positive rates (Fawcett 2006, section 8). The band adds the seeds'
    variance over S to the patients', which comes from a Bayesian bootstrap (Rubin 1981: exponential weights, so that
    no class is ever empty) with the same weights for every seed, as patients and seeds are crossed.
    """
    patients = len(np.unique(truth.patients))
    weights = np.random.default_rng(0).exponential(size=(REPLICATES, patients))[:, truth.patients]
    plain = np.ones((1, len(truth.patients)))
    curves = np.array([_curves(truth, scores, plain)[0] for scores in seeds])
    of_patients = np.mean([_curves(truth, scores, weights) for scores in seeds], axis=0).var(axis=0, ddof=1)
    count, mean = len(seeds), curves.mean(axis=0)
    of_seeds = curves.var(axis=0, ddof=1) / count if count > 1 else np.zeros_like(mean)
    total = of_patients + of_seeds
    df = np.full_like(total, math.inf)
    np.divide(total**2 * (count - 1), of_seeds**2, out=df, where=of_seeds > 0)
    half = stats.t.ppf(0.975, df) * np.sqrt(total)
    return RocBand(_GRID, mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))


def _curves(truth: Truth, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Sensitivities on the grid, `(B, G)`, one curve for each row of case weights `(B, N)`; the mean over labels."""
    judged = truth.judged_scores(scores)
    curves = [_curve(truth.judged[:, k], judged[:, k], weights) for k in range(judged.shape[1])]
    average: FloatArray = np.mean(curves, axis=0)
    return average


def _curve(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(-scores, kind="stable")
    # Cases of one score pass the threshold together: only the last of them is a point of the curve.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    sorted_weights, sorted_labels = weights[:, order], labels[order]
    hits = np.cumsum(sorted_weights * sorted_labels, axis=1)[:, ends]
    alarms = np.cumsum(sorted_weights * ~sorted_labels, axis=1)[:, ends]
    curves = np.empty((len(weights), len(_GRID)))
    for row, (hit, alarm) in enumerate(zip(hits, alarms, strict=True)):
        x, y = np.append(0.0, alarm / alarm[-1]), np.append(0.0, hit / hit[-1])
        curves[row] = np.interp(_GRID, x, y)
    return curves
