"""How well a classifier tells the labels of synthetic images apart, beside those of real images.

That it agrees with the labels is not enough: synthetic classes that are told apart better than real ones are
caricatures, and those that are told apart worse are blurred into each other.
"""

from __future__ import annotations

import numpy as np

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.cells.plan import MIN_IMAGES
from gan_aug.evaluation.fidelity.distances import FloatArray
from gan_aug.evaluation.fidelity.sets import Side
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Influence


def label_aucs(
    manifest: Manifest, synthetic: Side, scores: FloatArray, validation_scores: FloatArray
) -> list[dict[str, float] | None]:
    """The AUC of a classifier against the labels of synthetic images and of real validation images.

    Args:
        manifest: The data set.
        synthetic: The synthetic images.
        scores: Their probabilities `(n, K)`.
        validation_scores: Those of the validation images, in the manifest's order.

    Returns:
        Over all labels, as the report's AUCs are, then for each label: {`value`, `se`, `real`, `real_se`}, with
        standard errors over patients, each synthetic image as one. None if there are too few images with a label, or
        without it.
    """
    real = GroundTruth.of(manifest, "validation")
    alone = np.arange(len(synthetic.labels), dtype=np.int64)
    made = GroundTruth(synthetic.labels > 0.5, real.names, real.multi_label, real.positive, alone)
    return [
        _pair(made, scores, real, validation_scores),
        *(
            _pair(made.only(k), scores[:, [k]], real.only(k), validation_scores[:, [k]])
            for k in range(len(manifest.labels))
        ),
    ]


def _pair(
    made: GroundTruth, scores: FloatArray, real: GroundTruth, validation_scores: FloatArray
) -> dict[str, float] | None:
    value, floor = _auc(made, scores), _auc(real, validation_scores)
    if value is None or floor is None:
        return None
    return {"value": value.value, "se": _error(value, made), "real": floor.value, "real_se": _error(floor, real)}


def _auc(truth: GroundTruth, scores: FloatArray) -> Influence | None:
    counts = truth.target_labels.sum(axis=0)
    return truth.auc(scores) if min(counts.min(), len(truth.labels) - counts.max()) >= MIN_IMAGES else None


def _error(auc: Influence, truth: GroundTruth) -> float:
    """The standard error over patients."""
    return float(np.sqrt((np.bincount(truth.patients, auc.cases) ** 2).sum()))
