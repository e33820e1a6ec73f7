"""Copies: images that are nearer to a training image than images of other patients are.

The ratio of an image is the distance to its nearest training image, over the distance of that training image to its own
nearest one of another patient. Distances are those of whitened features, and the least over all variants of the first
image (`views`), so that a copy may be shifted, mirrored, rotated or scaled. A copy has a ratio near 0. An image of
another patient has one about 1, in crowded and in empty regions alike.

What the ratio is by chance is measured on the training images themselves: each is compared with the training images of
all other patients, as if it were a new one. Below the 0.1 % quantile of these an image counts as like a copy, and is
left out of a release. Far below the least of them it cannot be chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import betabinom

from gan_aug.data.splits.near_duplicates import ImagesByRow
from gan_aug.privacy.nearest import AlignedSearch, FloatArray, IntArray, Progress
from gan_aug.privacy.space import FITTED, Space, fit_space
from gan_aug.privacy.views import Variant, images_to_views, variants, view_shape

DROPPED = 0.001
"""The share of the training images whose ratio by chance is below the limit `like_a_copy`."""

CERTAIN = 0.4
"""Below this ratio an image is a copy beyond chance.

Of 3,300 real chest films of other patients, at 64 pixels, none was: their least was 0.51.
"""

BELOW_LEAST = 0.8
"""If the least ratio by chance is low in a data set, that limit is this share of it."""

CONFIDENCE = 0.99
MOST_NULL = 5000
"""At most so many training images show what the ratio is by chance."""

CROWDED = 0.01
"""No training image counts as nearer to other patients than this share of them are: twins under two names would hide a
copy of them."""

NEAREST = 1e-6
"""Rounding alone makes distances of this size."""

_SEED = 0
_BATCH = 4096


@dataclass(frozen=True)
class Found:
    """What was found of each image, all `(N,)`.

    `ratio` is the one that the module explains, `row` the number of the nearest training image among the training
    images, `variant` that of the variant in which it is nearest, and `distance` is the distance to it.
    """

    ratio: FloatArray
    row: IntArray
    variant: IntArray
    distance: FloatArray


@dataclass(frozen=True)
class Limits:
    """What the ratio decides, and from which training images that follows.

    Attributes:
        images: How many training images were compared with those of other patients.
        patients: How many patients they are of.
        least: The least ratio of these images.
        like_a_copy: Below this ratio an image is left out.
        copy: Below this ratio it is a copy beyond chance.
        rank: The limit `like_a_copy` is the ratio of this rank among these images, 1 for the least.
    """

    images: int
    patients: int
    least: float
    like_a_copy: float
    copy: float
    rank: int

    def most(self, images: int) -> int:
        """How many of so many images of no training patient may be below `like_a_copy`: in 99 % of sets no more are.

        The probability of a ratio below the one of rank k of n is Beta(k, n - k + 1), and the number among m images
        beta-binomial. Images of one patient are alike, so k and n are counted in patients.
        """
        rank = max(1.0, self.rank * self.patients / self.images)
        return int(betabinom.ppf(CONFIDENCE, images, rank, max(1.0, self.patients - rank + 1)))


class CopySearch:
    """The training images of a generator, ready to be compared with other images.

    `patients` numbers the patient of each training image, `variants` are those that are compared.
    """

    def __init__(
        self,
        images: ImagesByRow,
        rows: IntArray,
        patients: IntArray,
        flips: tuple[str, ...] = (),
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Read the training images.

        Args:
            images: `(M, C, H, W) uint8`.
            rows: Which of them are the training images, `(N,) int64`.
            patients: The patient of each of these, `(N,) int64`; without patients a number of its own.
            flips: The mirrorings that are harmless, as in the manifest.
            cancelled: Asked now and then whether to stop.
        """
        self._images, self._rows, self.patients, self._cancelled = images, rows, patients, cancelled
        self.space = _fitted(images, rows)
        self.variants: list[Variant] = variants(flips)
        features = [self.space.features(images_to_views(images[part])) for part in _parts(rows)]
        self.search = AlignedSearch(self.space, torch.cat(features), patients, self.variants)
        self._apart = np.full(len(rows), np.nan)
        self.sample = np.sort(np.random.default_rng(_SEED).permutation(len(rows))[:MOST_NULL])
        self._own = self.search.nearest(
            images, rows[self.sample], without=[(k,) for k in patients[self.sample]], cancelled=cancelled
        )
        self._apart[self.sample] = self._own.distance
        known = self._own.distance[np.isfinite(self._own.distance)]
        self._crowded = max(float(np.quantile(known, CROWDED)) if len(known) else 0.0, NEAREST)

    def measure(self, images: ImagesByRow, rows: IntArray, progress: Progress | None = None) -> Found:
        """The ratios of other images.

        Args:
            images: `(M, C, H, W) uint8`.
            rows: Which of them, `(B,) int64`.
            progress: Called with (images done, images in all).

        Returns:
            What was found, for each of the rows.
        """
        found = self.search.nearest(images, rows, progress=progress, cancelled=self._cancelled)
        return Found(_ratio(found.distance, self.apart(found.row)), found.row, found.variant, found.distance)

    def apart(self, of: IntArray) -> FloatArray:
        """The distance of some training images to their nearest one of another patient, but not less than is usual."""
        missing = np.unique(of[np.isnan(self._apart[of])])
        if len(missing):
            self._apart[missing] = self.search.nearest(
                self._images,
                self._rows[missing],
                without=[(k,) for k in self.patients[missing]],
                cancelled=self._cancelled,
            ).distance
        apart: FloatArray = np.maximum(self._apart[of], self._crowded)
        return apart

    def by_chance(self) -> FloatArray:
        """The ratios of training images, each as if it were of a new patient, without the others of its own patient."""
        own = self._own
        first, patients = self.patients[self.sample], self.patients
        # The nearest one's own distance is not to count this patient either. It does if it is the distance to them.
        nearest_patient = np.full(len(patients), -1)
        nearest_patient[self.sample] = patients[own.row]
        again = (nearest_patient[own.row] < 0) | (nearest_patient[own.row] == first)
        apart = self._apart[own.row]
        apart[again] = self.search.nearest(
            self._images,
            self._rows[own.row[again]],
            without=[*zip(patients[own.row[again]], first[again], strict=True)],
            cancelled=self._cancelled,
        ).distance
        ratio = _ratio(own.distance, np.maximum(apart, self._crowded))
        known: FloatArray = ratio[np.isfinite(ratio)]
        return known

    def limits(self, by_chance: FloatArray) -> Limits:
        """What the ratio decides in this data set; `by_chance` is what the method of that name gives."""
        ordered = np.sort(by_chance)
        rank = max(1, int(DROPPED * len(ordered)))
        least = float(ordered[0])
        return Limits(
            images=len(ordered),
            patients=len(np.unique(self.patients[self.sample])),
            least=least,
            like_a_copy=float(ordered[rank - 1]),
            copy=min(CERTAIN, BELOW_LEAST * least),
            rank=rank,
        )


def _ratio(distance: FloatArray, apart: FloatArray) -> FloatArray:
    """`distance / apart`, which is above 0."""
    ratio: FloatArray = distance / apart
    return ratio


def _fitted(images: ImagesByRow, rows: IntArray) -> Space:
    """The space of the training images; of a sample if there are many."""
    chosen = np.sort(np.random.default_rng(_SEED).permutation(rows)[:FITTED])
    return fit_space(images_to_views(images[chosen]), view_shape(images.shape[2:]))


def _parts(rows: IntArray) -> list[npt.NDArray[np.int64]]:
    return [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
