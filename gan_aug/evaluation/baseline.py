"""A cheap baseline: logistic regression on principal components, a floor that the arm real should be above.

A network that is not clearly above it has learnt no more than that, or was trained too briefly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest, Task
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import estimate_auc, estimate_difference
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.metrics import estimate_accuracy
from gan_aug.evaluation.statistics.uncertainty import Estimate, FloatArray

VALUES = 1024
"""Images with more values than this, over all channels, are first reduced by means over areas."""

IMAGES = 20_000
"""Training images at most, evenly spread over the training split."""

COMPONENTS = 50
"""Principal components at most."""

WEIGHTS = 1000
"""With many classes there are fewer components: this many weights in all, about, for the sake of time."""

STRENGTH = 0.1
"""The inverse strength of the L2 penalty (scikit-learn's C), for components of unit variance."""

DECIMALS = 6
"""The log-odds are rounded to this, as their last digits differ between machines and equal images must tie."""

SMALLEST_VARIATION = 1e-4
"""A value whose standard deviation is below this, of a range of 1, does not vary and is not scaled."""

CHUNK = 2048


def baseline_figures(manifest: Manifest, images: npt.NDArray[np.uint8], cells: Sequence[CellResult]) -> dict[str, Any]:
    """What the baseline reaches on the test images, and how the arm `real` compares with it.

    Nothing in it is random, and it computes on one thread: the same images give the same figures.

    Args:
        manifest: The data set.
        images: Its stored images, `(N, C, H, W) uint8`.
        cells: The results of the comparison, those of the arm `real` among them.

    Returns:
        JSON values: `components`, `train_images`, `auc` and `accuracy` {`value`, `ci95`} with intervals over patients,
        and `real_above` {`value`, `ci95`}, the AUC of the arm `real` less that of the baseline, over patients and
        seeds.
    """
    scores, components, used = score_test_images(manifest, images)
    test = GroundTruth.of(manifest, "test")
    real = [cell.test_scores for cell in cells if cell.arm == REFERENCE]
    return {
        "components": components,
        "train_images": used,
        "auc": _values(estimate_auc(test, [scores])),
        "accuracy": _values(estimate_accuracy(test, [scores])),
        "real_above": _values(estimate_difference(test, real, [scores] * len(real))),
    }


def score_test_images(manifest: Manifest, images: npt.NDArray[np.uint8]) -> tuple[FloatArray, int, int]:
    """The baseline's probabilities of the test images.

    The images are reduced to at most VALUES values, standardised by the training images, and turned into at most
    COMPONENTS principal components of unit variance. Of these a logistic regression with an L2 penalty is made: one
    over all classes, or for multi-label one for each label.

    Args:
        manifest: The data set.
        images: Its stored images, `(N, C, H, W) uint8`.

    Returns:
        The probabilities `(N, K)` in the order of the split, the number of components, and of training images.
    """
    from threadpoolctl import threadpool_limits

    rows = manifest.indices("train")
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), IMAGES)).round().astype(np.int64)]
    labels = manifest.label_matrix()
    with threadpool_limits(1):
        training = np.concatenate(list(_values_of(images, rows)))
        mean, scale = training.mean(axis=0), training.std(axis=0)
        scale[scale < SMALLEST_VARIATION] = 1.0
        training -= mean
        training /= scale
        axes = _principal_axes(training, max(1, min(COMPONENTS, len(rows) - 1, WEIGHTS // len(manifest.labels))))
        test = np.concatenate([(part - mean) / scale @ axes for part in _values_of(images, manifest.indices("test"))])
        return _probabilities(training @ axes, labels[rows], test, manifest.task), axes.shape[1], len(rows)


def _values_of(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> Iterator[FloatArray]:
    """Images as rows of values in 0..1, reduced to at most VALUES each; `(CHUNK, D) float64` at a time."""
    import torch
    from torch.nn import functional as F

    channels, height, width = images.shape[1:]
    factor = min(1.0, math.sqrt(VALUES / (channels * height * width)))
    size = (max(1, int(height * factor)), max(1, int(width * factor)))
    for first in range(0, len(rows), CHUNK):
        chunk = torch.from_numpy(images[rows[first : first + CHUNK]]).double() / 255
        reduced = F.adaptive_avg_pool2d(chunk, size) if factor < 1 else chunk
        yield reduced.reshape(len(chunk), -1).numpy()


def _principal_axes(standardised: FloatArray, count: int) -> FloatArray:
    """The first `count` principal axes, or as many as vary, scaled to components of unit variance; `(D, count)`."""
    from scipy.linalg import eigh

    dimension = standardised.shape[1]
    covariance = standardised.T @ standardised / len(standardised)
    first = max(0, dimension - count)
    variances, axes = eigh(covariance, subset_by_index=[first, dimension - 1])
    kept = variances > 1e-9 * max(1.0, variances[-1])
    if not kept.any():  # all images are alike
        return np.zeros((dimension, 1))
    scaled: FloatArray = (axes[:, kept] / np.sqrt(variances[kept]))[:, ::-1]
    return scaled


def _probabilities(training: FloatArray, labels: npt.NDArray[np.float32], test: FloatArray, task: Task) -> FloatArray:
    """The probabilities of the labels for the test images, `(N, K)`.

    Args:
        training: The components of the training images.
        labels: Their labels, `(N, K)` of zeros and ones.
        test: The components of the test images.
        task: One regression over all classes for multi-class, one for each label for multi-label.
    """
    if task == "multi-class":
        return _of_classes(training, labels.argmax(axis=1), test, labels.shape[1])
    return np.stack([_of_classes(training, held, test, 2)[:, 1] for held in (labels > 0).T.astype(np.int64)], axis=1)


def _of_classes(training: FloatArray, classes: npt.NDArray[np.int64], test: FloatArray, count: int) -> FloatArray:
    """The probabilities of `count` classes for the test images; 0 for one that no training image has."""
    from sklearn.linear_model import LogisticRegression

    found = np.zeros((len(test), count))
    present = np.unique(classes)
    if len(present) == 1:  # there is nothing to tell apart
        found[:, present] = 1.0
        return found
    model = LogisticRegression(C=STRENGTH, solver="newton-cholesky", tol=1e-8, max_iter=100).fit(training, classes)
    odds = np.round(model.decision_function(test), DECIMALS)
    if len(present) == 2:
        odds = np.stack([np.zeros(len(test)), odds], axis=1)
    powers = np.exp(odds - odds.max(axis=1, keepdims=True))
    found[:, present] = powers / powers.sum(axis=1, keepdims=True)
    return found


def _values(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": list(estimate.ci95)}
