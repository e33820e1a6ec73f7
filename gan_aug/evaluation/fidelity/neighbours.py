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
# Squared distances come from inner products, which leave some 1e-15 of the norms where two images are equal.
_ZERO = 1e-12
_SLACK = 1 + 1e-9


@dataclass(frozen=True)
class Neighbourhood:
    """How a set lies among the reference's nearest neighbours.

    `precision`, `recall` and `coverage` are shares in [0, 1]; `density` is at least 0 and about 1 for a set that is
    like the reference.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def features_to_radii(features: FloatArray, neighbours: tuple[int, ...]) -> list[FloatArray]:
    """For each k of `neighbours` the squared distance `(N,)` from each of features `(N, D)` to its k-th nearest other.

    Raises DataError where there are no more than k rows.
    """
    check_features(features, max(neighbours) + 1)
    parts = [np.partition(block, neighbours, axis=1)[:, neighbours] for block in _distances(features, features)]
    return list(np.concatenate(parts).T)  # position 0 is the image itself


def features_to_neighbourhood(reference: FloatArray, features: FloatArray) -> Neighbourhood:
    """Precision, recall, density and coverage of features `(M, D)` against those of the reference `(N, D)`.

    Precision: share of the set inside a ball of the reference, each ball around one image as far as its third
    neighbour; recall: the same with the sides exchanged (Kynkäänniemi et al. 2019, arXiv 1904.06991, section 2).
    Density: in how many balls of the reference (fifth neighbour) an image of the set lies on average, over five;
    coverage: share of those balls that hold one (Naeem et al. 2020, arXiv 2002.09797, section 3). All four depend on
    how many images there are: compare them with those of a real set of the same size. Raises DataError for fewer than
    six rows a side.
    """
    check_alike(reference, features)
    check_features(features, FEWEST)
    radii, wide_radii = (r * _SLACK for r in features_to_radii(reference, (PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS)))
    own_radii = features_to_radii(features, (PRECISION_NEIGHBOURS,))[0] * _SLACK
    precise = np.zeros(len(features), dtype=bool)
    recalled, covered, held, first = [], [], 0, 0
    for block in _distances(reference, features):
        rows = slice(first, first + len(block))
        precise |= (block <= radii[rows, None]).any(axis=0)
        recalled.append((block <= own_radii[None]).any(axis=1))
        inside = block <= wide_radii[rows, None]
        held += int(inside.sum())
        covered.append(inside.any(axis=1))
        first += len(block)
    return Neighbourhood(
        precision=float(precise.mean()),
        recall=float(np.concatenate(recalled).mean()),
        density=held / (COVERAGE_NEIGHBOURS * len(features)),
        coverage=float(np.concatenate(covered).mean()),
    )


def _distances(first: FloatArray, second: FloatArray) -> Iterator[FloatArray]:
    """Squared Euclidean distances of `first` to `second`, a slice of the rows of `first` at a time."""
    norms = (second * second).sum(axis=1)
    for i in range(0, len(first), _ROWS):
        block = first[i : i + _ROWS]
        scale = (block * block).sum(axis=1)[:, None] + norms[None]
        squared: FloatArray = scale - 2 * (block @ second.T)
        squared[squared < _ZERO * scale] = 0.0
        yield squared
