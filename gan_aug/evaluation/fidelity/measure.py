"""Fidelity beside utility: how like the real images the synthetic ones are, and what real images score themselves.

**The reference is one half of the real training images**, and each figure stands beside the same figure of the other
half, patients apart. Not the test images: a figure printed at every comparison is tuned on sooner or later, and no
choice may rest on them. Besides, held-out images of published sets often come from elsewhere than the training images,
so that distance would be added to the generator's: the 624 test films of PneumoniaMNIST, whose mix of classes differs
too, lay at a KID of 0.037 ± 0.013 from one half of its training films, a GAN's images at 0.003 ± 0.004. And not all
training images: with the reference, the other half and the synthetic sample of one size, the bias of FID and the habits
of nearest neighbours are the same on both sides. The generator saw both halves, so copies of training images score
better than the other half does. The accuracy of the classifier that labels are checked with is that on the validation
images, for the same reason; its weights were chosen by their loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.config.compare import WEIGHTED, CompareConfig
from gan_aug.data.manifest import Manifest, Task
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.classifiers.networks import load_classifier, predict_scores
from gan_aug.evaluation.fidelity import distances, neighbours
from gan_aug.evaluation.fidelity.distances import FloatArray, features_to_kid, features_to_moments, moments_to_fid
from gan_aug.evaluation.fidelity.features import (
    Extractor,
    classifier_features,
    has_features,
    images_to_features,
    inception_features,
    random_features,
)
from gan_aug.evaluation.fidelity.ms_ssim import images_to_similarity, scales_of, window_of
from gan_aug.evaluation.fidelity.neighbours import features_to_neighbourhood
from gan_aug.evaluation.fidelity.own_weights import own_features
from gan_aug.evaluation.fidelity.sets import SEED, Side

IMAGES = 5000
"""At most so many images a side."""

FEWEST = max(distances.FEWEST, neighbours.FEWEST)
"""Images a side below which a class gets no distances."""

Figure = dict[str, float] | None
Cancelled = Callable[[], bool] | None


@dataclass(frozen=True)
class Compared:
    """Features `(n, D) float64` of the reference, of other real images, and of synthetic ones."""

    reference: FloatArray
    real: FloatArray
    synthetic: FloatArray


def choose_extractor(compare: CompareConfig, cell: Path, channels: int, device: torch.device) -> Extractor:
    """The extractor that `compare.features` names; `cell` is that of the arm real whose classifier may serve.

    A softmax regression has no features, so the random network takes its place, under its own name.
    """
    if compare.features in WEIGHTED:
        return own_features(compare, channels, device)
    if compare.features == "inception":
        return inception_features(device)
    if compare.features == "classifier" and has_features(load_classifier(cell)[1]):
        return classifier_features(cell, device)
    return random_features(channels, device)


def measure_fidelity(
    manifest: Manifest,
    sides: tuple[Side, Side, Side],
    cell: Path,
    judge: CellResult,
    extractor: Extractor,
    device: torch.device,
    cancelled: Cancelled = None,
) -> dict[str, Any]:
    """The figures of synthetic images as JSON values: each its `value` and that of real images, `real`.

    `sides` are `read_sides`'; `judge` is the result of the arm real whose classifier is kept in `cell`. A figure that
    too few images allow is null. Raises Cancelled when `cancelled` says so.
    """
    _, real, made = sides
    compared = _compared(extractor, sides, device, cancelled)
    scores = predict_scores(load_classifier(cell)[0].to(device), made.images, manifest.task)
    agreement, of_classes = label_agreement(scores, made.labels, manifest.task)
    held_out = manifest.label_matrix()[manifest.indices("validation")]
    accuracy, of_real_classes = label_agreement(judge.validation_scores, held_out, manifest.task)
    similarity = [(_similarity(made, k), _similarity(real, k)) for k in range(len(manifest.labels))]
    return {
        "extractor": _described(extractor, compared),
        "images": len(made.images),
        "ms_ssim_scales": scales_of(*manifest.shape[1:]),
        "ms_ssim_window": window_of(*manifest.shape[1:]),
        "fid": _fid(compared),
        **_distances(compared),
        "label_agreement": _figure(agreement, accuracy),
        "ms_ssim": _mean_figure(similarity),
        "per_class": {
            name: {
                **_class_distances(compared, [side.labels[:, k] == 1 for side in sides]),
                "label_agreement": _figure(of_classes[k], of_real_classes[k]),
                "ms_ssim": _figure(*similarity[k]),
            }
            for k, name in enumerate(manifest.labels)
        },
    }


def scaled_features(reference: FloatArray, *others: FloatArray) -> list[FloatArray]:
    """Features `(n, D)` divided by one number: the root mean square of the reference's, unless that is 0."""
    scale = float(np.sqrt((reference * reference).mean())) if reference.size else 0.0
    return [features / (scale or 1.0) for features in (reference, *others)]


def label_agreement(
    scores: FloatArray, labels: npt.NDArray[np.float32], task: Task
) -> tuple[float | None, list[float | None]]:
    """How often scores `(N, K)` say what labels `(N, K)` of zeros and ones do: over all, and where label k holds.

    Multi-class: the most probable label is the one asked for. Multi-label: overall the share of right labels, cut at
    one half; of label k the share of the images asked to have it that show it. None where there is no image.
    """
    asked = labels > 0.5
    if task == "multi-class":
        said = np.eye(labels.shape[1], dtype=bool)[scores.argmax(axis=1)]
        right = (said & asked).any(axis=1)
    else:
        said = scores > 0.5
        right = said == asked
    return _share(right), [_share(said[asked[:, k], k]) for k in range(labels.shape[1])]


def _compared(
    extractor: Extractor, sides: tuple[Side, Side, Side], device: torch.device, cancelled: Cancelled
) -> Compared:
    features = [images_to_features(extractor, side.images, device, cancelled=cancelled) for side in sides]
    return Compared(*(scaled_features(*features) if extractor.scaled else features))


def _described(extractor: Extractor, compared: Compared) -> dict[str, Any]:
    return {
        "name": extractor.name,
        "dimension": compared.reference.shape[1],
        "filter": extractor.filter,
        "scaled": extractor.scaled,
        "weights": extractor.weights,
    }


def _share(right: npt.NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if right.size else None


def _similarity(side: Side, label: int) -> float | None:
    similarity = images_to_similarity(side.images[side.labels[:, label] == 1], SEED + label)
    return None if similarity is None else similarity.value


def _figure(value: float | None, real: float | None) -> Figure:
    return None if value is None or real is None else {"value": value, "real": real}


def _mean_figure(pairs: list[tuple[float | None, float | None]]) -> Figure:
    """The mean over the classes in which both sides have a figure."""
    both = [(value, real) for value, real in pairs if value is not None and real is not None]
    return _figure(*np.mean(both, axis=0).tolist()) if both else None


def _fid(features: Compared) -> Figure:
    if len(features.reference) < FEWEST:
        return None
    reference, real, made = map(features_to_moments, (features.reference, features.real, features.synthetic))
    return _figure(moments_to_fid(reference, made), moments_to_fid(reference, real))


def _distances(features: Compared) -> dict[str, Figure]:
    """KID, precision, recall, density and coverage, all null where there are too few images."""
    names = ("precision", "recall", "density", "coverage")
    if len(features.reference) < FEWEST:
        return dict.fromkeys(("kid", *names))
    kid, floor = (features_to_kid(features.reference, side) for side in (features.synthetic, features.real))
    made, real = (features_to_neighbourhood(features.reference, side) for side in (features.synthetic, features.real))
    return {
        "kid": {"value": kid.value, "se": kid.se, "real": floor.value, "real_se": floor.se},
        **{name: _figure(getattr(made, name), getattr(real, name)) for name in names},
    }


def _class_distances(features: Compared, members: list[npt.NDArray[np.bool_]]) -> dict[str, Any]:
    """The same within one class, with the number of images a side: the same on all three."""
    count = int(min(rows.sum() for rows in members))
    sides = (features.reference, features.real, features.synthetic)
    alone = Compared(*(side[rows][:count] for side, rows in zip(sides, members, strict=True)))
    return {"images": count, **_distances(alone)}
