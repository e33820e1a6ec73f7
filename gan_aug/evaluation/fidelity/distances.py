"""Distances between two sets of features: the Fréchet distance (FID) and the kernel distance (KID)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.errors import DataError

FloatArray = npt.NDArray[np.float64]

FEWEST = 3
"""The jackknife of KID needs at least this many images on each side."""


@dataclass(frozen=True)
class Moments:
    """Mean `(D,)` and covariance `(D, D)` (divided by n - 1), both float64, of one set of features."""

    mean: FloatArray
    covariance: FloatArray


@dataclass(frozen=True)
class Kid:
    """A kernel distance and its standard error; the value can be below 0, because it is unbiased."""

    value: float
    se: float


def features_to_moments(features: FloatArray) -> Moments:
    """Mean and covariance of features `(N, D)`; raises DataError for fewer than two rows."""
    check_features(features, fewest=2)
    centred = features - features.mean(axis=0)
    return Moments(features.mean(axis=0), centred.T @ centred / (len(features) - 1))


def moments_to_fid(first: Moments, second: Moments) -> float:
    """The Fréchet distance of two Gaussians, at least 0 (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the last term is the sum of the square roots of the
    eigenvalues of C1^(1/2) C2 C1^(1/2). That matrix is symmetric, so there are no complex roots, and nothing has to be
    added to singular covariances.
    """
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second.covariance @ root).clip(0)).sum()
    difference = first.mean - second.mean
    value = difference @ difference + np.trace(first.covariance) + np.trace(second.covariance) - 2 * cross
    return max(0.0, float(value))


class KidReference:
    """Features `(N, D)` with which several sets are compared by KID; what depends on them alone is computed once."""

    def __init__(self, features: FloatArray) -> None:
        """Raises DataError for fewer than three rows."""
        check_features(features, FEWEST)
        self.features = features
        self._within = _within(features)

    @property
    def spread(self) -> float:
        """How far the images of this set are apart: half the mean squared distance of two of them in KID's kernel.

        KID is a squared distance too, that of two sets' means. So KID / spread has no unit: it is comparable between
        networks, whose features differ in scale.
        """
        n = len(self.features)
        return float(_own(self.features).mean() - self._within.sum() / (n * (n - 1)))

    def kid(self, features: FloatArray) -> Kid:
        """The KID of features `(M, D)`, see `features_to_kid`."""
        check_features(features, FEWEST)
        check_alike(self.features, features)
        n, m = len(self.features), len(features)
        within = _within(features)
        across, across_other = _kernel_sums(self.features, features)
        term = self._within.sum() / (n * (n - 1))
        other = within.sum() / (m * (m - 1))
        value = term + other - 2 * across.sum() / (n * m)
        variance = _jackknife(self._within, across, m) + _jackknife(within, across_other, n)
        return Kid(float(value), float(np.sqrt(variance)))


def features_to_kid(first: FloatArray, second: FloatArray) -> Kid:
    """The squared maximum mean discrepancy of features `(N, D)` and `(M, D)`, kernel (x.y / D + 1)^3.

    This is the unbiased U-statistic of Bińkowski et al. 2018, arXiv 1801.01401. It is taken over all pairs, not over
    blocks of them. So it depends neither on the order of the images nor on a block size, and it varies less. The
    standard error is that of the jackknife over both sides; it is somewhat too large if the two sets are alike.
    Raises DataError for fewer than three rows on a side, or if the dimensions differ.
    """
    return KidReference(first).kid(second)


def check_features(features: FloatArray, fewest: int) -> None:
    """Raise DataError if features are not finite, or there are fewer than `fewest` rows."""
    if features.ndim != 2 or len(features) < fewest:
        raise DataError(f"{len(features)} images are too few to compare features: give at least {fewest} on each side")
    if not np.isfinite(features).all():
        raise DataError("some features of the images are not finite: choose another compare.features")


def check_alike(first: FloatArray, second: FloatArray) -> None:
    """Raise DataError if two sets of features have different dimensions."""
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"features of {first.shape[1]} and of {second.shape[1]} dimensions cannot be compared: use one extractor"
        )


def _kernel_sums(first: FloatArray, second: FloatArray, rows: int = 1024) -> tuple[FloatArray, FloatArray]:
    """The sums of the kernel's values: for each row of `first` over all of `second`, and the other way round."""
    of_first, of_second = [], np.zeros(len(second))
    for i in range(0, len(first), rows):
        base = first[i : i + rows] @ second.T
        base /= first.shape[1]
        base += 1
        values = base * base
        values *= base
        of_first.append(values.sum(axis=1))
        of_second += values.sum(axis=0)
    return np.concatenate(of_first), of_second


def _own(features: FloatArray) -> FloatArray:
    """The kernel's value of each row with itself."""
    values: FloatArray = ((features * features).sum(axis=1) / features.shape[1] + 1) ** 3
    return values


def _within(features: FloatArray) -> FloatArray:
    """For each row, the sum of its kernel values with all other rows."""
    return _kernel_sums(features, features)[0] - _own(features)


def _jackknife(within: FloatArray, across: FloatArray, others: int) -> float:
    """The part of the statistic's variance that comes from one side, by leaving out each of its images in turn."""
    n = len(within)
    left_out = (within.sum() - 2 * within) / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / ((n - 1) * others)
    return float((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
