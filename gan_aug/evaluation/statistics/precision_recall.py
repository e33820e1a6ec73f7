"""Precision-recall curves averaged over seeds, with pointwise bands over patients and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_aug.evaluation.statistics.curve_band import CurveBand, bootstrap_curves, cumulative_weights, curve_band
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import BoolArray, FloatArray, Gans, crossed_estimate

_GRID: FloatArray = np.linspace(0.0, 1.0, 201)
# Recalls are sums of weights divided by their total; rounding may leave one a little below the grid point it equals.
_ROUNDING = 1e-9


def precision_recall_band(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> CurveBand:
    """The precision of scores `(N, K)` over recall, averaged as in `curve_band`.

    The precision at a recall is that of the highest threshold that reaches this recall. The area under these steps is
    the average precision. Straight lines between the points would show more than any threshold reaches (Davis &
    Goadrich 2006).
    """
    return curve_band(truth, seeds, _GRID, _precisions, gans)


def average_precision_interval(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> tuple[float, float]:
    """The 95 % interval of the mean average precision of scores `(N, K)` on the logit scale.

    It includes patients, seeds and `gans`.

    The covariance over patients of the seeds' values is that of their Bayesian bootstrap replicates. If nothing varied,
    as in a perfect ranking, the bound is the exact one of the AUC.
    """
    areas, replicates = bootstrap_curves(truth, seeds, _areas)
    covariance = np.atleast_2d(np.cov(replicates[:, :, 0]))
    return crossed_estimate(areas[:, 0], covariance, truth.pairs, "logit", gans).ci95


def prevalence(truth: GroundTruth) -> float:
    """The precision if everything is called positive, the mean over labels; chance gives it at any recall."""
    return float(truth.target_labels.mean())


def _areas(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """The average precision of each row of weights, `(B, 1)`: the area under the steps."""
    hits, alarms = cumulative_weights(labels, scores, weights)
    steps = np.diff(hits, axis=1, prepend=0.0) / hits[:, -1:]
    areas: FloatArray = (steps * hits / (hits + alarms)).sum(axis=1, keepdims=True)
    return areas


def _precisions(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    hits, alarms = cumulative_weights(labels, scores, weights)
    curves = np.empty((len(weights), len(_GRID)))
    for row, (hit, alarm) in enumerate(zip(hits, alarms, strict=True)):
        first = np.searchsorted(hit / hit[-1], _GRID - _ROUNDING)
        curves[row] = (hit / (hit + alarm))[first]
    return curves
