"""Precision-recall curves averaged over seeds, with pointwise bands over patients and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_aug.evaluation.statistics.curve_band import CurveBand, cumulated, curve_band, resampled
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import BoolArray, FloatArray, crossed_estimate

_GRID: FloatArray = np.linspace(0.0, 1.0, 201)
# Recalls are sums of weights over their total: what equals a point of the grid may fall short of it by rounding.
_ROUNDING = 1e-9


def precision_recall_band(truth: GroundTruth, seeds: Sequence[FloatArray]) -> CurveBand:
    """The precision of scores `(N, K)` over recall, averaged as `curve_band` says.

    The precision at a recall is that of the highest threshold which reaches it: the steps whose area is the average
    precision. Lines between the points would promise more than any threshold gives (Davis & Goadrich 2006).
    """
    return curve_band(truth, seeds, _GRID, _precisions)


def average_precision_interval(truth: GroundTruth, seeds: Sequence[FloatArray]) -> tuple[float, float]:
    """The 95 % interval of the mean average precision of scores `(N, K)`, over patients and seeds, on the logit scale.

    The covariance over patients of the seeds' values is that of their Bayesian bootstrap replicates. Where nothing
    varied, as in a perfect ranking, it is the AUC's exact bound.
    """
    areas, replicates = resampled(truth, seeds, _areas)
    covariance = np.atleast_2d(np.cov(replicates[:, :, 0]))
    return crossed_estimate(areas[:, 0], covariance, truth.pairs, "logit").ci95


def prevalence(truth: GroundTruth) -> float:
    """The precision of calling everything positive, the mean over labels: what chance reaches at any recall."""
    return float(truth.judged.mean())


def _areas(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """The average precision of each row of weights, `(B, 1)`: the area under the steps."""
    hits, alarms = cumulated(labels, scores, weights)
    steps = np.diff(hits, axis=1, prepend=0.0) / hits[:, -1:]
    areas: FloatArray = (steps * hits / (hits + alarms)).sum(axis=1, keepdims=True)
    return areas


def _precisions(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    hits, alarms = cumulated(labels, scores, weights)
    curves = np.empty((len(weights), len(_GRID)))
    for row, (hit, alarm) in enumerate(zip(hits, alarms, strict=True)):
        first = np.searchsorted(hit / hit[-1], _GRID - _ROUNDING)
        curves[row] = (hit / (hit + alarm))[first]
    return curves
