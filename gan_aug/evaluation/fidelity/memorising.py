"""Memorising: whether synthetic images are nearer to the training images than held-out images are.

A generator that gives its training images back is the better by every distance between sets. What gives it away are
the held-out images, which it never saw: its images must not be nearer to the training images than those are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.fidelity.distances import FloatArray, check_alike, check_features
from gan_aug.evaluation.fidelity.features import images_to_features, random_features
from gan_aug.evaluation.fidelity.measure import scaled_features
from gan_aug.evaluation.fidelity.neighbours import nearest_two
from gan_aug.evaluation.fidelity.sets import OfReal
from gan_aug.evaluation.statistics.auc import midranks

QUANTILES = (0.01, 0.1, 0.5)
FEWEST = 2
FEWEST_HELD_OUT = 10
"""With fewer validation images or synthetic ones nothing is said: chance would decide."""

MOST, MOST_TRAINING = 2000, 50_000
"""The most synthetic or validation images, and training images, that are compared."""

SEED = 0


@dataclass(frozen=True)
class Memorising:
    """The figures of `features_to_memorising`.

    - `nearer`: the probability that a random synthetic image is nearer to its nearest training image than a random
      held-out image is to its own. 0.5 if both are alike, 1 if all synthetic images are nearer. This is the
      Mann-Whitney U of Meehan et al. 2020 (arXiv 2004.05675, section 3.1), as a share. Copies raise it; but so do
      images with less variety or detail than real ones.
    - `copy_like`: the same probability for the nearest distance divided by that to the second nearest training image.
      It is low for the copy of one image; less variety or detail alone hardly alters it.
    - `se`: the standard error of either if synthetic and held-out images are alike.
    - `synthetic`, `held_out`: the QUANTILES of the distances to the nearest training image, in the features' units.
    - `images`, `held_out_images`: how many images were compared.
    """

    nearer: float
    copy_like: float
    se: float
    synthetic: tuple[float, ...]
    held_out: tuple[float, ...]
    images: int
    held_out_images: int


def features_to_memorising(training: FloatArray, held_out: FloatArray, synthetic: FloatArray) -> Memorising:
    """Compare the distances of synthetic and of held-out images to their nearest training images.

    Args:
        training: Features `(N, D)` of all images that the generator was trained on.
        held_out: Features `(M, D)` of images of the same kind that it never saw: the validation images.
        synthetic: Features `(S, D)` of its images.

    Returns:
        The figures.

    Raises:
        DataError: There are fewer than two images of a kind, features are not finite, or dimensions differ.
    """
    for features in (training, held_out, synthetic):
        check_features(features, FEWEST)
        check_alike(training, features)
    first, second = nearest_two(training, synthetic), nearest_two(training, held_out)
    return Memorising(
        nearer=_share_below(first[0], second[0]),
        copy_like=_share_below(_ratio(*first), _ratio(*second)),
        se=float(np.sqrt((len(synthetic) + len(held_out) + 1) / (12 * len(synthetic) * len(held_out)))),
        synthetic=tuple(np.quantile(first[0], QUANTILES).tolist()),
        held_out=tuple(np.quantile(second[0], QUANTILES).tolist()),
        images=len(synthetic),
        held_out_images=len(held_out),
    )


def measure_memorising(
    manifest: Manifest,
    store: npt.NDArray[np.uint8],
    synthetic: npt.NDArray[np.uint8],
    device: torch.device,
    cancelled: Callable[[], bool] | None = None,
    of_real: OfReal | None = None,
) -> dict[str, Any] | None:
    """Compare a synthetic set with the training and validation images, by the features of the random network.

    Args:
        manifest: The data set.
        store: All its images, `(N, C, H, W) uint8`.
        synthetic: Images of the generator that was trained on its training split, `(S, C, H, W) uint8`.
        device: Where the features are computed.
        cancelled: Asked before each batch of images whether to stop.
        of_real: What is known of the real images; nothing by default.

    Returns:
        The figures of Memorising as JSON values, with the name of the `extractor` and the number of `training_images`;
        None if there are too few images.

    Raises:
        Cancelled: `cancelled` returned True.
    """
    training, held_out = _some(manifest.indices("train"), MOST_TRAINING), _some(manifest.indices("validation"), MOST)
    if min(len(held_out), len(synthetic)) < FEWEST_HELD_OUT or len(training) < FEWEST:
        return None
    extractor = random_features(manifest.shape[0], device)
    seen = partial(images_to_features, extractor, device=device, cancelled=cancelled)
    what, of_real = f"features {extractor.name} {extractor.weights}", of_real or OfReal()
    real = [of_real(what, store[rows], seen) for rows in (training, held_out)]
    features = scaled_features(*real, seen(synthetic[:MOST]))
    found = asdict(features_to_memorising(*features))
    lists = {name: list(found[name]) for name in ("synthetic", "held_out")}
    return {"extractor": extractor.name, "training_images": len(training), **found, **lists}


def _some(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """At most so many of the rows, in their order."""
    return np.sort(np.random.default_rng(SEED).permutation(rows)[:most])


def _ratio(nearest: FloatArray, next_nearest: FloatArray) -> FloatArray:
    """The quotient of two distances; 1 if both are 0, as it is for a copy of an image that is there twice."""
    return np.divide(nearest, next_nearest, out=np.ones_like(nearest), where=next_nearest > 0)


def _share_below(first: FloatArray, second: FloatArray) -> float:
    """The share of the pairs in which the value of `first` is the smaller one; equal values count half."""
    ranks = midranks(np.concatenate([first, second]))
    above = ranks[: len(first)].sum() - len(first) * (len(first) + 1) / 2
    return float(1 - above / (len(first) * len(second)))
