"""ROC curves averaged over seeds, with pointwise bands over patients and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gan_aug.evaluation.statistics.curve_band import CurveBand, cumulative_weights, curve_band
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import BoolArray, FloatArray, Gans

# Dense near 0, where the curves of good classifiers bend.
_GRID: FloatArray = np.unique(np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 120), np.linspace(0.0, 1.0, 101)]))


def roc_band(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> CurveBand:
    """The ROC curve of scores `(N, K)`: sensitivity over the false-positive rate, averaged as in `curve_band`."""
    return curve_band(truth, seeds, _GRID, _sensitivities, gans)


def _sensitivities(labels: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    hits, alarms = cumulative_weights(labels, scores, weights)
    curves = np.empty((len(weights), len(_GRID)))
    for row, (hit, alarm) in enumerate(zip(hits, alarms, strict=True)):
        x, y = np.append(0.0, alarm / alarm[-1]), np.append(0.0, hit / hit[-1])
        curves[row] = np.interp(_GRID, x, y)
    return curves
