"""Fidelity: how similar the synthetic images are to the real ones, beside the same figures of real images.

**The reference is one half of the real training images.** Each figure stands beside the same figure of the other half;
no patient is in both halves.

- The test images are no reference: a figure that is printed at every comparison is tuned on sooner or later, and no
  choice may depend on the test images. Besides, the held-out images of published sets often come from another source
  than the training images, and this distance would be added to the generator's. The 624 test films of PneumoniaMNIST,
  whose class shares differ too, were at a KID of 0.037 ± 0.013 from one half of its training films; a GAN's images were
  at 0.003 ± 0.004.
- All training images together are no reference either: the reference, the other half and the synthetic sample must have
  the same size, so that the bias of FID and the effects of size on nearest neighbours are the same on both sides.
- The generator saw both halves, so copies of training images score better than the other half does.
- The accuracy and the AUC of the classifier that checks labels are those on the validation images, for the first
  reason; its weights were chosen by the loss on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
from gan_aug.evaluation.fidelity.appearance import (
    BLUR,
    blurred_sides,
    features_figures,
    first_images,
    spectrum_figures,
)
from gan_aug.evaluation.fidelity.distances import FloatArray, KidReference, features_to_moments, moments_to_fid
from gan_aug.evaluation.fidelity.features import (
    Extractor,
    classifier_features,
    has_features,
    images_to_features,
    inception_features,
    random_features,
)
from gan_aug.evaluation.fidelity.label_auc import label_aucs
from gan_aug.evaluation.fidelity.ms_ssim import images_to_similarity, scales_of, window_of
from gan_aug.evaluation.fidelity.neighbours import NeighbourReference
from gan_aug.evaluation.fidelity.own_weights import own_features
from gan_aug.evaluation.fidelity.sets import SEED, FeatureSets, OfReal, Side
from gan_aug.evaluation.image_checks import RANDOM

IMAGES = 5000
"""The largest number of images on each side."""

FEWEST = max(distances.FEWEST, neighbours.FEWEST)
"""With fewer images on a side, a class gets no distances."""

Figure = dict[str, float] | None
Cancelled = Callable[[], bool] | None


def choose_extractor(compare: CompareConfig, cell: Path, channels: int, device: torch.device) -> Extractor:
    """The feature extractor that `compare.features` names.

    Args:
        compare: The config's section.
        cell: The folder of a cell of the arm real, whose classifier is used for `classifier`. A softmax regression has
            no features, so the random network takes its place, under its own name.
        channels: Of the images.
        device: Where it computes.

    Returns:
        The extractor.

    Raises:
        ConfigError: The network's weights are absent or do not fit.
        CheckpointError: The cell holds no classifier, or the weights of Inception are altered.
    """
    if compare.features in WEIGHTED:
        return own_features(compare, channels, device)
    if compare.features == "inception":
        return inception_features(device)
    if compare.features == "classifier" and has_features(load_classifier(cell)[1]):
        return classifier_features(cell, device)
    return random_features(channels, device)


def choose_beside(extractor: Extractor, cell: Path, channels: int, device: torch.device) -> Extractor | None:
    """The second network, which stands beside `extractor`: the random one, or beside that one the classifier's.

    Args:
        extractor: The first network.
        cell: The folder of a cell of the arm real.
        channels: Of the images.
        device: Where it computes.

    Returns:
        The extractor; None beside the random network if the classifier has no features.
    """
    if extractor.name != RANDOM:
        return random_features(channels, device)
    return classifier_features(cell, device) if has_features(load_classifier(cell)[1]) else None


def measure_fidelity(
    manifest: Manifest,
    sides: tuple[Side, Side, Side],
    cell: Path,
    reference_cell: CellResult,
    extractor: Extractor,
    device: torch.device,
    cancelled: Cancelled = None,
    of_real: OfReal | None = None,
) -> dict[str, Any]:
    """Measure all figures.

    Args:
        manifest: The data set.
        sides: The reference, other real images and synthetic images, from `read_sides`.
        cell: The folder of a cell of the arm real, with its classifier.
        reference_cell: The result of that cell.
        extractor: What images are compared by.
        device: Where the classifier and the extractor compute.
        cancelled: Asked before each batch of images whether to stop.
        of_real: What is known of the real images; nothing by default.

    Returns:
        The figures as JSON values, each with its `value` for synthetic images and the same figure of real images,
        `real`. A figure for which there are too few images is null.

    Raises:
        Cancelled: `cancelled` returned True.
    """
    _, real, synthetic = sides
    of_real = of_real or OfReal()
    look = _Look(device, cancelled, of_real)
    features = look(extractor, sides)
    scores = predict_scores(load_classifier(cell)[0].to(device), synthetic.images, manifest.task)
    agreement, of_classes = label_agreement(scores, synthetic.labels, manifest.task)
    held_out = manifest.label_matrix()[manifest.indices("validation")]
    accuracy, of_real_classes = label_agreement(reference_cell.validation_scores, held_out, manifest.task)
    apart = label_aucs(manifest, synthetic, scores, reference_cell.validation_scores)
    similarity = [
        (
            _similarity(_images_of(synthetic, k), k),
            of_real(f"similarity {k}", _images_of(real, k), partial(_similarity, label=k)),
        )
        for k in range(len(manifest.labels))
    ]
    beside = choose_beside(extractor, cell, manifest.shape[0], device)
    seen, seen_by_class = _appearance(sides, [extractor, *([beside] if beside else [])], features, look)
    return {
        "extractor": _described(extractor, features),
        "images": len(synthetic.images),
        "ms_ssim_scales": scales_of(*manifest.shape[1:]),
        "ms_ssim_window": window_of(*manifest.shape[1:]),
        "fid": _fid(features),
        **_distances(features),
        "label_agreement": _figure(agreement, accuracy),
        "label_auc": apart[0],
        "ms_ssim": _mean_figure(similarity),
        **seen,
        "per_class": {
            name: {
                **_class_distances(features, [side.labels[:, k] == 1 for side in sides]),
                "label_agreement": _figure(of_classes[k], of_real_classes[k]),
                "label_auc": apart[k + 1],
                "ms_ssim": _figure(*similarity[k]),
                **seen_by_class[k],
            }
            for k, name in enumerate(manifest.labels)
        },
    }


def scaled_features(reference: FloatArray, *others: FloatArray) -> list[FloatArray]:
    """All features `(n, D)` divided by one number: the root mean square of the reference's features, unless it is 0."""
    scale = float(np.sqrt((reference * reference).mean())) if reference.size else 0.0
    return [features / (scale or 1.0) for features in (reference, *others)]


def label_agreement(
    scores: FloatArray, labels: npt.NDArray[np.float32], task: Task
) -> tuple[float | None, list[float | None]]:
    """How often a classifier's predictions agree with the labels with which images were made.

    Args:
        scores: `(N, K)` probabilities of the classifier.
        labels: `(N, K)` of zeros and ones.
        task: For multi-class the most probable label is predicted; for multi-label every label above one half.

    Returns:
        The agreement over all images: for multi-class the share of images with the right label, for multi-label the
        share of right labels. Then, for each label k, the share of the images with label k for which it is predicted.
        None if there is no such image.
    """
    true = labels > 0.5
    if task == "multi-class":
        predicted = np.eye(labels.shape[1], dtype=bool)[scores.argmax(axis=1)]
        right = (predicted & true).any(axis=1)
    else:
        predicted = scores > 0.5
        right = predicted == true
    return _share(right), [_share(predicted[true[:, k], k]) for k in range(labels.shape[1])]


def _appearance(
    sides: tuple[Side, Side, Side],
    extractors: list[Extractor],
    features: FeatureSets,
    look: _Look,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What `appearance` measures, over all classes and for each; `features` are those of the first extractor."""
    few = first_images(sides)
    soft = blurred_sides(few)
    count = len(few[0].images)
    classes = [[side.labels[:, k] == 1 for side in few] for k in range(few[0].labels.shape[1])]
    rows, class_rows = [], [[] for _ in classes]  # type: tuple[list[Any], list[list[Any]]]
    for number, extractor in enumerate(extractors):
        raw = (
            look(extractor, few)
            if number
            else FeatureSets(features.reference[:count], features.real[:count], features.synthetic[:count])
        )
        found, of_classes = features_figures(raw, look(extractor, soft), classes)
        rows.append({"extractor": _described(extractor, raw), **found})
        for own, figures in zip(class_rows, of_classes, strict=True):
            own.append(figures)
    spectrum, class_spectra = spectrum_figures(few, classes)
    overall = {"looked_at": count, "blur": BLUR, "by_features": rows, **spectrum}
    return overall, [{"by_features": own, **power} for own, power in zip(class_rows, class_spectra, strict=True)]


@dataclass(frozen=True)
class _Look:
    """Computes the features of the three sides, of the real ones only if they are not known."""

    device: torch.device
    cancelled: Cancelled
    of_real: OfReal

    def __call__(self, extractor: Extractor, sides: tuple[Side, Side, Side]) -> FeatureSets:
        seen = partial(images_to_features, extractor, device=self.device, cancelled=self.cancelled)
        what = f"features {extractor.name} {extractor.weights}"
        reference, real = (self.of_real(what, side.images, seen) for side in sides[:2])
        features = [reference, real, seen(sides[2].images)]
        return FeatureSets(*(scaled_features(*features) if extractor.scaled else features))


def _described(extractor: Extractor, features: FeatureSets) -> dict[str, Any]:
    return {
        "name": extractor.name,
        "dimension": features.reference.shape[1],
        "filter": extractor.filter,
        "scaled": extractor.scaled,
        "weights": extractor.weights,
    }


def _share(right: npt.NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if right.size else None


def _images_of(side: Side, label: int) -> npt.NDArray[np.uint8]:
    images: npt.NDArray[np.uint8] = side.images[side.labels[:, label] == 1]
    return images


def _similarity(images: npt.NDArray[np.uint8], label: int) -> float | None:
    similarity = images_to_similarity(images, SEED + label)
    return None if similarity is None else similarity.value


def _figure(value: float | None, real: float | None) -> Figure:
    return None if value is None or real is None else {"value": value, "real": real}


def _mean_figure(pairs: list[tuple[float | None, float | None]]) -> Figure:
    """The mean over the classes in which both sides have a figure."""
    both = [(value, real) for value, real in pairs if value is not None and real is not None]
    return _figure(*np.mean(both, axis=0).tolist()) if both else None


def _fid(features: FeatureSets) -> Figure:
    if len(features.reference) < FEWEST:
        return None
    reference, real, synthetic = map(features_to_moments, (features.reference, features.real, features.synthetic))
    return _figure(moments_to_fid(reference, synthetic), moments_to_fid(reference, real))


def _distances(features: FeatureSets) -> dict[str, Figure]:
    """KID, precision, recall, density and coverage; all null if there are too few images."""
    names = ("precision", "recall", "density", "coverage")
    if len(features.reference) < FEWEST:
        return dict.fromkeys(("kid", *names))
    distance, balls = KidReference(features.reference), NeighbourReference(features.reference)
    kid, floor = (distance.kid(side) for side in (features.synthetic, features.real))
    synthetic, real = (balls.neighbourhood(side) for side in (features.synthetic, features.real))
    return {
        "kid": {"value": kid.value, "se": kid.se, "real": floor.value, "real_se": floor.se},
        **{name: _figure(getattr(synthetic, name), getattr(real, name)) for name in names},
    }


def _class_distances(features: FeatureSets, members: list[npt.NDArray[np.bool_]]) -> dict[str, Any]:
    """The distances within one class, with the number of images, which is the same on all three sides."""
    count = int(min(rows.sum() for rows in members))
    sides = (features.reference, features.real, features.synthetic)
    of_class = FeatureSets(*(side[rows][:count] for side, rows in zip(sides, members, strict=True)))
    return {"images": count, **_distances(of_class)}
