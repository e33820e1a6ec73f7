"""The report's statistics for arrays of labels and scores.

The method is that of the report (docs/decisions/0004 and 0010): AUCs with DeLong's variance over patients, crossed with
the training seeds if there are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.comparison import Verdict, estimate_auc, estimate_difference, verdict
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Estimate, FloatArray, IntArray, p_value

FEWEST = 2
"""Images with and without a label that the variance of an AUC needs."""


@dataclass(frozen=True)
class Difference:
    """The AUC of one classifier minus that of another on the same images.

    `value` is the mean over seeds, and `ci95` its 95 % interval, with the sources of variance that `sources` names. `p`
    is the two-sided p-value of no difference, from the same statistic. `verdict` is the conclusion if a loss of up to
    `margin` counts as none.
    """

    value: float
    ci95: tuple[float, float]
    p: float
    verdict: Verdict
    margin: float
    sources: tuple[str, ...]


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike, *, patients: Sequence[Any] | None = None) -> Estimate:
    """The area under the ROC curve with its 95 % interval, as the report gives it.

        >>> import numpy as np
        >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> estimate = auc(labels, np.array([0.1, 0.2, 0.4, 0.3, 0.35, 0.8, 0.7, 0.9]))
        >>> estimate.value
        0.9375
        >>> [round(end, 3) for end in estimate.ci95]
        [0.438, 0.997]

    Args:
        labels: `(N,)` whole numbers: 0 and 1, of which 1 is the positive label, or 0 to K - 1 for K classes; or
            `(N, K)` zeros and ones for multi-label.
        scores: `(N,)`, higher for more likely positive; `(N, K)`, a column for each label; or `(S, N, K)` for S
            classifiers trained from different seeds. With two classes the second column counts; with more, and for
            multi-label, the AUC is the mean over labels, each against the rest.
        patients: The patient of each image, `(N,)` of any type; None for an image whose patient has no other. Images
            of one patient are not independent, and the interval takes that into account. Without `patients` every
            image counts as another patient.

    Returns:
        The mean over the seeds: `value`, `ci95`, and `sources`, which names the sources of variance in the interval.

    Raises:
        DataError: If the shapes do not fit, or a label has fewer than two images with it or without it.
    """
    truth, seeds = _prepared(labels, patients, scores)
    return estimate_auc(truth, seeds[0])


def compare(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    patients: Sequence[Any] | None = None,
    margin: float = 0.02,
) -> Difference:
    """The AUC of `scores_a` minus that of `scores_b` on the same images: a paired comparison, as in the report.

        >>> import numpy as np
        >>> chance = np.random.default_rng(0)
        >>> labels = np.arange(200) % 2
        >>> weak, strong = labels + chance.normal(0, 2, 200), labels + chance.normal(0, 0.5, 200)
        >>> found = compare(labels, strong, weak)
        >>> found.verdict, found.p < 0.001
        ('improves', True)

    Args:
        labels: As for `auc`.
        scores_a: As the scores of `auc`.
        scores_b: The same for the other classifier; with several seeds, seed i is paired with seed i.
        patients: As for `auc`.
        margin: The largest loss of AUC that counts as none, fixed before the comparison.

    Returns:
        The difference with its interval, p-value and verdict. If you test several differences, adjust the p-values for
        their number. A report does so by Holm's method, so its verdicts can be more cautious.

    Raises:
        DataError: As for `auc`, or if the numbers of seeds differ.
    """
    truth, (first, second) = _prepared(labels, patients, scores_a, scores_b)
    estimate = estimate_difference(truth, first, second)
    p = p_value(estimate)
    return Difference(estimate.value, estimate.ci95, p, verdict(estimate, p, margin), margin, estimate.sources)


def _prepared(
    labels: npt.ArrayLike, patients: Sequence[Any] | None, *scores: npt.ArrayLike
) -> tuple[GroundTruth, list[list[FloatArray]]]:
    """The ground truth, and for each of `scores` the scores `(N, K)` of each seed."""
    given = [np.asarray(of_one, dtype=np.float64) for of_one in scores]
    truth = _truth(np.asarray(labels), given[0], patients)
    seeds = [_seeds(of_one, truth) for of_one in given]
    count = len(truth.labels)
    for label, with_it in enumerate(truth.labels.sum(axis=0)):
        if min(with_it, count - with_it) < FEWEST:
            needs = f"an AUC with an interval needs {FEWEST} with it and {FEWEST} without"
            raise DataError(f"{with_it} of {count} images have the label {label}: {needs}")
    return truth, seeds


def _truth(labels: npt.NDArray[Any], scores: FloatArray, patients: Sequence[Any] | None) -> GroundTruth:
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iubf" or not (labels == labels.astype(np.int64)).all():
        raise DataError(f"labels are {labels.shape} {labels.dtype}: give whole numbers (N,), or zeros and ones (N, K)")
    owners = _patient_numbers(patients, len(labels))
    multi_label = labels.ndim == 2
    if multi_label:
        count, known = labels.shape[1], labels.min(initial=0) >= 0 and labels.max(initial=0) <= 1
    else:
        count = 2 if scores.ndim == 1 or scores.shape[-1] == 1 else scores.shape[-1]
        known = labels.min(initial=0) >= 0 and labels.max(initial=0) < count
    if not known:
        wanted = "zeros and ones" if multi_label else f"whole numbers from 0 to {count - 1}, one for each score"
        raise DataError(f"labels are from {labels.min()} to {labels.max()}: give {wanted}")
    matrix = labels == 1 if multi_label else np.eye(count, dtype=np.bool_)[labels.astype(np.int64)]
    positive = 1 if count == 2 and not multi_label else None
    return GroundTruth(matrix, tuple(map(str, range(count))), multi_label, positive, owners)


def _patient_numbers(patients: Sequence[Any] | None, count: int) -> IntArray:
    """The patient of each image as 0, 1, ...; an image without a patient counts as another patient."""
    if patients is None:
        return np.arange(count)
    if len(patients) != count:
        raise DataError(f"there are {len(patients)} patients for {count} images: give one for each, or None")
    numbers: dict[Any, int] = {}
    keys = [("image", row) if patient is None else ("patient", patient) for row, patient in enumerate(patients)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _seeds(scores: FloatArray, truth: GroundTruth) -> list[FloatArray]:
    """The scores `(N, K)` of each seed."""
    stacked = scores[:, None] if scores.ndim == 1 else scores
    stacked = stacked if stacked.ndim == 3 else stacked[None]
    if truth.positive is not None and stacked.shape[-1] == 1:
        stacked = np.concatenate([-stacked, stacked], axis=-1)
    if stacked.ndim != 3 or not len(stacked) or stacked.shape[1:] != truth.labels.shape:
        count, classes = truth.labels.shape
        raise DataError(
            f"scores are {scores.shape} for {count} images and {classes} labels: give ({count},) for two classes, "
            f"({count}, {classes}), or (seeds, {count}, {classes})"
        )
    if not np.isfinite(stacked).all():
        raise DataError("a score is not a finite number: leave its image out, or give it a score")
    return list(stacked)
