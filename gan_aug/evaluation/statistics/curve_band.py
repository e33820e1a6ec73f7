"""Curves averaged over seeds on a common grid, with pointwise bands over patients and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.intervals import ALPHA
from gan_aug.evaluation.statistics.uncertainty import (
    BoolArray,
    FloatArray,
    Gans,
    clusters,
    few_of,
    variance_of_mean,
)

REPLICATES = 100
Curve = Callable[[BoolArray, FloatArray, FloatArray], FloatArray]
"""From labels `(N,)`, scores `(N,)` and case weights `(B, N)` to the curve's heights on the grid, `(B, G)`."""


@dataclass(frozen=True)
class CurveBand:
    """A mean curve: at each `x` of the grid its mean height and the pointwise 95 % limits, all from 0 to 1."""

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def curve_band(
    truth: GroundTruth, seeds: Sequence[FloatArray], grid: FloatArray, curve: Curve, gans: Gans = ()
) -> CurveBand:
    """The vertical average of curves over seeds and labels, with its pointwise band.

    Heights are averaged at equal `x` (Fawcett 2006, section 8). At each `x` the band is the interval of
    `uncertainty.variance_of_mean`, as for the AUC: seeds are crossed with patients as readers are. The covariance over
    patients is that of a Bayesian bootstrap (Rubin 1981) with the same weights for every seed. Its exponential weights
    leave no class without cases.

    Args:
        truth: The labels and patients.
        seeds: The scores `(N, K)` of each seed.
        grid: The values of x, `(G,)`.
        curve: Computes the heights of one label's curve on this grid.
        gans: The GAN behind each seed.

    Returns:
        The mean curve and its band.
    """
    curves, replicates = bootstrap_curves(truth, seeds, curve)
    shares, means = clusters(gans, len(seeds))
    centred = np.tensordot(means, replicates - replicates.mean(axis=1, keepdims=True), axes=1)
    covariances = np.einsum("crg,drg->gcd", centred, centred) / (REPLICATES - 1)
    few, of_points = few_of(gans), zip((means @ curves).T, covariances, strict=True)
    variances = np.array([variance_of_mean(values, covariance, shares, few) for values, covariance in of_points])
    half = special.stdtrit(variances[:, 1], 1 - ALPHA / 2) * np.sqrt(np.maximum(0.0, variances[:, 0]))
    mean = curves.mean(axis=0)
    return CurveBand(grid, mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))


def bootstrap_curves(truth: GroundTruth, seeds: Sequence[FloatArray], curve: Curve) -> tuple[FloatArray, FloatArray]:
    """The heights of each seed's curve, and those of its Bayesian bootstrap replicates over patients.

    Args:
        truth: The labels and patients.
        seeds: The scores `(N, K)` of each of S seeds.
        curve: Computes the heights of one label's curve at G values of x.

    Returns:
        The heights `(S, G)` and those of the replicates `(S, REPLICATES, G)`, averaged over labels.
    """
    patients = len(np.unique(truth.patients))
    weights = np.random.default_rng(0).exponential(size=(REPLICATES, patients))[:, truth.patients]
    plain = np.ones((1, len(truth.patients)))
    curves = np.array([_of_labels(truth, scores, plain, curve)[0] for scores in seeds])
    return curves, np.array([_of_labels(truth, scores, weights, curve) for scores in seeds])


def _of_labels(truth: GroundTruth, scores: FloatArray, weights: FloatArray, curve: Curve) -> FloatArray:
    """The heights `(B, G)`, one curve for each row of case weights `(B, N)`, averaged over labels."""
    target_scores = truth.target_scores(scores)
    curves = [curve(truth.target_labels[:, k], target_scores[:, k], weights) for k in range(target_scores.shape[1])]
    average: FloatArray = np.mean(curves, axis=0)
    return average


def cumulative_weights(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The total weight of positives and of negatives at or above each score.

    Cases with equal scores pass the threshold together, so they give one point.

    Args:
        labels: `(N,)`.
        scores: `(N,)`, with T different values.
        weights: `(B, N)`, of the cases.

    Returns:
        The weights of positives and of negatives, each `(B, T)`, from the highest score to the lowest.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    of_case, positive = weights[:, order], labels[order]
    return np.cumsum(of_case * positive, axis=1)[:, ends], np.cumsum(of_case * ~positive, axis=1)[:, ends]
