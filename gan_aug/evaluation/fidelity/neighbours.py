"""Fidelity and diversity by nearest neighbours: precision and recall, density and coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gan_aug.evaluation.fidelity.distances import FloatArray, check_alike, check_features

PRECISION_NEIGHBOURS = 3
COVERAGE_NEIGHBOURS = 5
"""Both are the k of their papers."""

FEWEST = COVERAGE_NEIGHBOURS + 1
_ROWS = 1024
# Squared distances are computed from inner products; for two equal images they come out as about 1e-15 of the norms.
_ZERO = 1e-12
_SLACK = 1 + 1e-9


@dataclass(frozen=True)
class Neighbourhood:
    """The figures of `features_to_neighbourhood`.

    `precision`, `recall` and `coverage` are shares in [0, 1]; `density` is at least 0, and about 1 for a set with the
    reference's distribution.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def features_to_radii(features: FloatArray, neighbours: tuple[int, ...]) -> list[FloatArray]:
    """For each k in `neighbours`, the squared distance `(N,)` of each row of `(N, D)` to its k-th nearest other row.

    Raises DataError if there are no more than k rows.
    """
    check_features(features, max(neighbours) + 1)
    parts = [np.partition(block, neighbours, axis=1)[:, neighbours] for block in _distances(features, features)]
    return list(np.concatenate(parts).T)  # position 0 is the image itself


class NeighbourReference:
    """Features `(N, D)` around whose images balls are drawn, for several sets that are compared with them."""

    def __init__(self, features: FloatArray) -> None:
        """Raises DataError for fewer than six rows."""
        self.features = features
        radii = features_to_radii(features, (PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS))
        self._radii, self._wide_radii = (of_k * _SLACK for of_k in radii)

    def neighbourhood(self, features: FloatArray) -> Neighbourhood:
        """The figures of features `(M, D)`, see `features_to_neighbourhood`."""
        check_alike(self.features, features)
        check_features(features, FEWEST)
        own_radii = features_to_radii(features, (PRECISION_NEIGHBOURS,))[0] * _SLACK
        precise = np.zeros(len(features), dtype=bool)
        recalled, covered, contained, first = [], [], 0, 0
        for block in _distances(self.features, features):
            rows = slice(first, first + len(block))
            precise |= (block <= self._radii[rows, None]).any(axis=0)
            recalled.append((block <= own_radii[None]).any(axis=1))
            inside = block <= self._wide_radii[rows, None]
            contained += int(np.count_nonzero(inside))
            covered.append(inside.any(axis=1))
            first += len(block)
        return Neighbourhood(
            precision=float(precise.mean()),
            recall=float(np.concatenate(recalled).mean()),
            density=contained / (COVERAGE_NEIGHBOURS * len(features)),
            coverage=float(np.concatenate(covered).mean()),
        )


def features_to_neighbourhood(reference: FloatArray, features: FloatArray) -> Neighbourhood:
    """Precision, recall, density and coverage of features `(M, D)` against those of the reference `(N, D)`.

    A ball is drawn around each image of a set; it reaches to the image's k-th nearest neighbour in that set.

    - Precision: the share of the features inside at least one ball of the reference, with k = 3.
    - Recall: the same with the sides exchanged (Kynkäänniemi et al. 2019, arXiv 1904.06991, section 2).
    - Density: the mean number of the reference's balls that contain a feature, with k = 5, divided by 5.
    - Coverage: the share of these balls that contain a feature (Naeem et al. 2020, arXiv 2002.09797, section 3).

    All four depend on the number of images: compare them with those of a real set of the same size. Raises DataError
    for fewer than six rows on a side.
    """
    return NeighbourReference(reference).neighbourhood(features)


def nearest_two(reference: FloatArray, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The distances, each `(M,)`, of rows of `features` `(M, D)` to the nearest and second nearest of `(N, D)`.

    Raises DataError if `reference` has fewer than two rows.
    """
    check_features(reference, 2)
    nearest = np.full((2, len(features)), np.inf)
    for block in _distances(reference, features):
        nearest = np.partition(np.concatenate([nearest, block]), 1, axis=0)[:2]
    nearest = np.sqrt(nearest)
    return nearest[0], nearest[1]


def _distances(first: FloatArray, second: FloatArray) -> Iterator[FloatArray]:
    """Squared Euclidean distances of `first` to `second`, for some rows of `first` at a time."""
    norms = (second * second).sum(axis=1)
    for i in range(0, len(first), _ROWS):
        block = first[i : i + _ROWS]
        scale = (block * block).sum(axis=1)[:, None] + norms[None]
        squared: FloatArray = block @ second.T
        squared *= -2
        squared += scale
        scale *= _ZERO
        squared[squared < scale] = 0.0
        yield squared
