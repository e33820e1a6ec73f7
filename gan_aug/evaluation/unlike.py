"""Tells whether a new image is unlike the images that a data set's classifiers were trained on.

A classifier answers whatever it is shown: a photograph, noise, an inverted film. Two things are measured of an image:
its distance to the nearest training image, and how much fine detail it has. The limit is set on the validation images,
by split conformal prediction (Vovk et al. 2005; Lei et al. 2018, arXiv 1604.04173): a new image that is drawn like them
lies beyond it with a probability of at most `FALSE_ALARMS`, or of 1 / (n + 1) if there are fewer than 99 of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest, Split

FALSE_ALARMS = 0.01
"""The share of images like the validation images that may be called unlike."""

SIDE = 32
"""The longer side, in pixels, to which images are averaged before their distance is taken, so that shifts by a pixel of
a large image count little."""

MOST, SCALED_BY = 5000, 500
"""Training images that a new one is compared with at most, and of them those that set the scales; drawn at random but
always the same."""

BATCH = 512

RULE = {"version": 1, "false_alarms": FALSE_ALARMS, "side": SIDE, "most": MOST, "scaled_by": SCALED_BY}
"""What limits depend on besides the data set; the version changes with the measures."""

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """The training images, and what of the validation images sets the limit.

    Attributes:
        training: Averaged training images as rows, `(M, D) float32`.
        detail: The median of their detail, see `_details`.
        scales: The distance, and the departure from `detail`, that count as 1; the first is one that few training
            images have from the nearest other one.
        limit: The larger of the two, so scaled, above which an image counts as unlike; validation images set it.
        false_alarms: The share of new images like the validation images that lies beyond the limit, at most.
        test_false_alarms: The share of the data set's test images that lies beyond it.
    """

    training: Rows
    detail: float
    scales: tuple[float, float]
    limit: float
    false_alarms: float
    test_false_alarms: float

    def measure(self, images: Images) -> Floats:
        """How unlike images `(N, C, H, W) uint8` are, `(N, 2)`: by distance and by detail; above 1 is unlike."""
        measured: Floats = _measures(images, self.training, self.detail) / np.array(self.scales) / self.limit
        return measured

    def limits(self) -> dict[str, Any]:
        """All but the training images as JSON values, for `likeness_again`."""
        return {
            "detail": self.detail,
            "scales": list(self.scales),
            "limit": self.limit,
            "false_alarms": self.false_alarms,
            "test_false_alarms": self.test_false_alarms,
        }

    def describe(self) -> str:
        """What the limit means, as a sentence."""
        return (
            f"beyond the limit lies at most {100 * self.false_alarms:.2g} % of images like the validation images, and "
            f"{100 * self.test_false_alarms:.2g} % of the test images"
        )


def learn_likeness(images: Images, manifest: Manifest) -> Likeness:
    """Measure what is usual in a data set.

    Args:
        images: The stored images, `(N, C, H, W) uint8`.
        manifest: The data set; it must have training and validation images.

    Returns:
        The training images and the limit.
    """
    chance = np.random.default_rng(0)
    train = _compared_with(manifest, chance)
    training = _rows_of(images, train)
    # Both scales come from training images alone: if validation images set them too, they would lie within by choice.
    details = np.concatenate([_details(images[rows]) for rows in _batches(train)])
    detail = float(np.median(details))
    some = np.sort(chance.permutation(len(train))[:SCALED_BY])
    apart = _nearest(training[some], training, own=some)
    usual = np.array([np.quantile(apart, 1 - FALSE_ALARMS), np.quantile(np.abs(details - detail), 1 - FALSE_ALARMS)])
    scales = np.maximum(usual, 1e-6)

    def measured(split: Split) -> Floats:
        parts = [_measures(images[rows], training, detail) / scales for rows in _batches(manifest.indices(split))]
        larger: Floats = np.concatenate(parts).max(axis=1)
        return larger

    validation = np.sort(measured("validation"))
    count = len(validation)
    rank = min(count, math.ceil((count + 1) * (1 - FALSE_ALARMS)))  # with fewer than 99 images it is the largest
    limit = float(validation[rank - 1])
    beyond = float((measured("test") > limit).mean())
    return Likeness(training, detail, (float(scales[0]), float(scales[1])), limit, 1 - rank / (count + 1), beyond)


def likeness_again(images: Images, manifest: Manifest, limits: Mapping[str, Any]) -> Likeness:
    """What `learn_likeness` gives for the same images, without measuring all of them again.

    Args:
        images: The stored images, `(N, C, H, W) uint8`.
        manifest: The data set.
        limits: The result of `Likeness.limits`.

    Returns:
        The training images and the limit.
    """
    training = _rows_of(images, _compared_with(manifest, np.random.default_rng(0)))
    low, high = limits["scales"]
    return Likeness(
        training,
        limits["detail"],
        (low, high),
        limits["limit"],
        limits["false_alarms"],
        limits["test_false_alarms"],
    )


def _compared_with(manifest: Manifest, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """The training images that new ones are compared with, drawn first of all by `chance`."""
    return np.sort(chance.permutation(manifest.indices("train"))[:MOST])


def _rows_of(images: Images, rows: npt.NDArray[np.int64]) -> Rows:
    return np.concatenate([_averaged(images[some]) for some in _batches(rows)])


def _measures(images: Images, training: Rows, detail: float) -> Floats:
    """Of each image the distance to the nearest training image, and the departure of its detail, `(N, 2)`."""
    return np.stack([_nearest(_averaged(images), training), np.abs(_details(images) - detail)], axis=1)


def _nearest(rows: Rows, training: Rows, own: npt.NDArray[np.int64] | None = None) -> Floats:
    """The root mean square difference of each row from the nearest training row, `(N,)`.

    `own` is the number of each row among the training rows, which is then passed over.
    """
    squares = (rows**2).sum(axis=1)[:, None] + (training**2).sum(axis=1) - 2 * rows @ training.T
    if own is not None:
        squares[np.arange(len(own)), own] = np.inf
    nearest: Floats = np.sqrt(np.maximum(squares.min(axis=1), 0).astype(np.float64) / rows.shape[1])
    return nearest


def _averaged(images: Images) -> Rows:
    """Images as rows `(N, D) float32` of grey values from 0 to 1, averaged over squares of pixels down to SIDE."""
    count, channels, height, width = images.shape
    step = -(-max(height, width) // SIDE)
    rows, columns = height // step, width // step
    cut = images[:, :, : rows * step, : columns * step].reshape(count, channels, rows, step, columns, step)
    averaged: Rows = cut.mean(axis=(3, 5), dtype=np.float32) / np.float32(255)
    return averaged.reshape(count, -1)


def _details(images: Images) -> Floats:
    """The detail of each image, `(N,)`: the logarithm of the root mean square of its discrete Laplacian, plus one."""
    grey = images.mean(axis=1, dtype=np.float32)
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian = 4 * grey[:, 1:-1, 1:-1] - around
    details: Floats = np.log1p(np.sqrt((laplacian**2).mean(axis=(1, 2), dtype=np.float64)))
    return details


def _batches(rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    return [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]
