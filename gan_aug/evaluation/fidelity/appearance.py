"""How synthetic images look: by two networks side by side, raw and slightly blurred, and by their power spectrum.

A classifier's features see what tells the labels apart, and little else: by them, black images can be nearer to real
ones than recognisable chest films are. So two networks stand side by side, of which one was trained on nothing. Both
compare the images twice, as they are and blurred: what only the raw images fail by is in the finest grain. The power
spectrum names that grain. Everything is measured on the same images, at most `IMAGES` a side, and within each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from gan_aug.evaluation.fidelity import distances, neighbours
from gan_aug.evaluation.fidelity.distances import KidReference
from gan_aug.evaluation.fidelity.neighbours import NeighbourReference
from gan_aug.evaluation.fidelity.sets import FeatureSets, Side
from gan_aug.evaluation.fidelity.spectrum import Spectra, bin_frequencies, images_to_spectra

IMAGES = 1000
"""The largest number of images on each side: a second network takes longer than most classifiers."""

BLUR = 1.0  # px: a Gaussian of this standard deviation leaves 1/140 of a wave at Nyquist's frequency
BINS = 32
"""A spectrum in the report has no more frequencies than this; finer bins are averaged."""

_ROWS = 256
_REACH = 3  # standard deviations

Members = Sequence[npt.NDArray[np.bool_]]
"""The images of one class on the three sides, each `(n,) bool`."""


Sides = tuple[Side, Side, Side]
"""The reference, other real images and synthetic ones."""


def first_images(sides: Sides) -> Sides:
    """The first images of each side, which are in random order: as many as everything here is measured on."""
    reference, real, synthetic = (Side(side.images[:IMAGES], side.labels[:IMAGES]) for side in sides)
    return reference, real, synthetic


def blurred_sides(sides: Sides) -> Sides:
    """All images of the three sides blurred, with their labels."""
    reference, real, synthetic = (Side(blurred(side.images), side.labels) for side in sides)
    return reference, real, synthetic


def blurred(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Images `(N, C, H, W)` under a Gaussian of `BLUR` pixels; beyond an edge its own pixels go on."""
    reach = int(np.ceil(_REACH * BLUR))
    weights = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * BLUR**2))
    kernel = (weights / weights.sum())[None, None, None]
    parts = []
    for i in range(0, len(images), _ROWS):
        block = torch.from_numpy(images[i : i + _ROWS].astype(np.float32))
        flat = F.pad(block, (reach,) * 4, mode="replicate").flatten(0, 1)[:, None]
        soft = F.conv2d(F.conv2d(flat, kernel), kernel.transpose(2, 3))
        parts.append(soft.round().reshape(block.shape).to(torch.uint8))
    result: npt.NDArray[np.uint8] = torch.cat(parts).numpy() if parts else images
    return result


def features_figures(raw: FeatureSets, soft: FeatureSets, classes: Sequence[Members]) -> tuple[Any, list[Any]]:
    """The figures by one network's features, of raw and of blurred images.

    Args:
        raw: The features of the images.
        soft: Those of the blurred images, of the same ones in the same order.
        classes: The members of each class.

    Returns:
        Over all classes {`kid`, `kid_blurred`, `spread`, `spread_blurred`, `recall`}, then {`kid`, `kid_blurred`} for
        each class. A figure for which there are too few images is None.
    """
    figures: dict[str, Any] = {}
    for key, features in (("", raw), ("_blurred", soft)):
        enough = len(features.reference) >= distances.FEWEST
        reference = KidReference(features.reference) if enough else None
        figures[f"kid{key}"] = _kid(reference, features)
        figures[f"spread{key}"] = reference and reference.spread
    figures["recall"] = None
    if len(raw.reference) >= neighbours.FEWEST:
        balls = NeighbourReference(raw.reference)
        value, real = (balls.neighbourhood(side).recall for side in (raw.synthetic, raw.real))
        figures["recall"] = {"value": value, "real": real}
    return figures, [_class_kids(raw, soft, members) for members in classes]


def spectrum_figures(sides: Sides, classes: Sequence[Members]) -> tuple[Any, list[Any]]:
    """The power spectra of the three sides, and the ratio of their finest power to that of the reference.

    Args:
        sides: The reference, other real images and synthetic ones.
        classes: The members of each class.

    Returns:
        {`spectrum`, `finest`} over all classes, then for each class; None if a side has no image.
    """
    spectra = [images_to_spectra(side.images) if len(side.images) else None for side in sides]
    if any(one is None for one in spectra):
        return _NONE, [_NONE for _ in classes]
    known = [one for one in spectra if one is not None]
    frequencies = bin_frequencies(*sides[0].images.shape[2:])
    whole = _power(frequencies, known)
    return whole, [
        _power(frequencies, [Spectra(one.radial[rows], one.finest[rows]) for one, rows in zip(known, own, strict=True)])
        for own in classes
    ]


_NONE = {"spectrum": None, "finest": None}


def _power(frequencies: npt.NDArray[np.float64], spectra: Sequence[Spectra]) -> dict[str, Any]:
    if min(len(one.finest) for one in spectra) < distances.FEWEST:
        return dict(_NONE)
    groups = np.array_split(np.arange(len(frequencies)), min(BINS, len(frequencies)))
    curves = [[float(one.radial[:, group].mean()) for group in groups] for one in spectra]
    middle = [float(frequencies[group].mean()) for group in groups]
    names = ("frequencies", "reference", "real", "synthetic")
    return {"spectrum": dict(zip(names, (middle, *curves), strict=True)), "finest": _finest(*spectra)}


def _finest(reference: Spectra, real: Spectra, synthetic: Spectra) -> dict[str, float] | None:
    """The ratios to the reference, with standard errors over images; None if the reference has no power there."""
    power = float(reference.finest.mean())
    if power == 0:
        return None
    figure = {"power": power}
    for name, side in (("", synthetic), ("real", real)):
        ratio = float(side.finest.mean()) / power
        errors = [one.finest.std(ddof=1) / np.sqrt(len(one.finest)) / power for one in (side, reference)]
        figure[name or "value"] = ratio
        figure[f"{name}_se" if name else "se"] = float(np.hypot(errors[0], ratio * errors[1]))
    return figure


def _kid(reference: KidReference | None, features: FeatureSets) -> dict[str, float] | None:
    if reference is None or min(len(features.real), len(features.synthetic)) < distances.FEWEST:
        return None
    kid, floor = reference.kid(features.synthetic), reference.kid(features.real)
    return {"value": kid.value, "se": kid.se, "real": floor.value, "real_se": floor.se}


def _class_kids(raw: FeatureSets, soft: FeatureSets, members: Members) -> dict[str, Any]:
    figures = {}
    for key, features in (("kid", raw), ("kid_blurred", soft)):
        sides = (features.reference, features.real, features.synthetic)
        own = FeatureSets(*(side[rows] for side, rows in zip(sides, members, strict=True)))
        enough = len(own.reference) >= distances.FEWEST
        figures[key] = _kid(KidReference(own.reference) if enough else None, own)
    return figures
