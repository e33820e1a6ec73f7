from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from gan_aug.errors import DataError
from gan_aug.evaluation.fidelity.neighbours import features_to_neighbourhood, features_to_radii


def features(seed, count=80, dimension=6, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, dimension))


def by_formula(real, fake):
    """The papers' definitions on whole distance matrices."""

    def radii(points, k):
        return np.sort(cdist(points, points), axis=1)[:, k]

    distance = cdist(real, fake)
    inside = distance <= radii(real, 5)[:, None]
    return (
        (distance <= radii(real, 3)[:, None]).any(axis=0).mean(),
        (distance <= radii(fake, 3)[None]).any(axis=1).mean(),
        inside.sum() / (5 * len(fake)),
        inside.any(axis=1).mean(),
    )


def figures(found):
    return found.precision, found.recall, found.density, found.coverage


@pytest.mark.parametrize(("count", "shift"), [(80, 0.0), (50, 1.0), (1500, 0.5)])
def test_the_four_figures_are_the_papers(count, shift):
    real, fake = features(0), features(1, count, shift=shift)
    assert figures(features_to_neighbourhood(real, fake)) == pytest.approx(by_formula(real, fake))
    assert figures(features_to_neighbourhood(fake, real)) == pytest.approx(by_formula(fake, real))


def test_radii_leave_the_image_itself_out():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert [radii.tolist() for radii in features_to_radii(line, (1, 2))] == [[1, 1, 4, 16], [9, 4, 9, 36]]


def test_a_set_compared_with_itself_is_precise_and_complete():
    found = features_to_neighbourhood(features(0), features(0))
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density >= 1


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    real = features(0)
    collapsed = real[[7] * 80] + features(1) * 1e-3
    found = features_to_neighbourhood(real, collapsed)
    assert found.precision == 1
    assert found.recall <= 1 / 80
    assert found.coverage < 0.3


def test_images_far_from_real_ones_are_not_precise():
    assert figures(features_to_neighbourhood(features(0), features(1, shift=50))) == (0, 0, 0, 0)


def test_images_all_alike_are_handled():
    alike = np.ones((10, 4))
    assert figures(features_to_neighbourhood(alike, alike)) == (1, 1, 2, 1)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(seed, shuffle):
    real, fake = features(seed, 30), features(seed + 1, 20, shift=0.3)
    fake[:5] = real[:5]
    orders = [shuffle.sample(range(len(side)), len(side)) for side in (real, fake)]
    again = features_to_neighbourhood(real[orders[0]], fake[orders[1]])
    assert figures(again) == pytest.approx(figures(features_to_neighbourhood(real, fake)), abs=1e-12)


def test_too_few_images_are_a_fault():
    with pytest.raises(DataError, match="5 images are too few to compare features: give at least 6"):
        features_to_neighbourhood(features(0), features(1, 5))
    with pytest.raises(DataError, match="at least 6"):
        features_to_neighbourhood(features(0, 4), features(1))
