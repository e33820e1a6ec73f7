from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from gan_aug.errors import DataError
from gan_aug.evaluation.fidelity.distances import features_to_kid, features_to_moments, moments_to_fid


def features(seed, count=60, dimension=8, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, dimension))


def fid(first, second):
    return moments_to_fid(features_to_moments(first), features_to_moments(second))


def kernel(x, y):
    return (float(np.dot(x, y)) / len(x) + 1) ** 3


def kid_by_loops(first, second):
    """Bińkowski et al. 2018, the unbiased estimator, written as its sums."""
    n, m = len(first), len(second)
    within = sum(kernel(first[i], first[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(kernel(second[i], second[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + other - 2 * sum(kernel(x, y) for x in first for y in second) / (n * m)


def test_fid_is_the_formula_with_a_matrix_root():
    first, second = features(0) @ features(1, 8), features(2, 90, shift=0.4)
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    difference = first.mean(axis=0) - second.mean(axis=0)
    expected = difference @ difference + np.trace(c1 + c2 - 2 * np.real(sqrtm(c1 @ c2)))
    assert fid(first, second) == pytest.approx(expected, rel=1e-9)


def test_fid_of_shifted_and_scaled_gaussians_is_the_closed_form():
    """For covariances that commute: the squared shift, and the squares of the differences of standard deviations."""
    first = features(0)
    assert fid(first, first + 3) == pytest.approx(8 * 9)
    variances = np.linalg.eigvalsh(np.cov(first, rowvar=False))
    shift = first.mean(axis=0)
    assert fid(first, 2 * first) == pytest.approx(variances.sum() + shift @ shift)


def test_fid_stands_fewer_images_than_features():
    few = features(0, count=5, dimension=40)
    assert fid(few, few) == pytest.approx(0, abs=1e-6)
    assert fid(few, few + 1) == pytest.approx(40)


def test_kid_is_the_sums_over_pairs():
    first, second = features(0, 9), features(1, 7, shift=0.5)
    assert features_to_kid(first, second).value == pytest.approx(kid_by_loops(first, second), rel=1e-12)


def test_the_standard_error_of_kid_is_the_jackknife_over_loops():
    first, second = features(0, 7), features(1, 6, shift=0.5)
    variance = 0.0
    for left_out in (
        [kid_by_loops(np.delete(first, i, axis=0), second) for i in range(7)],
        [kid_by_loops(first, np.delete(second, i, axis=0)) for i in range(6)],
    ):
        n = len(left_out)
        variance += (n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)
    assert features_to_kid(first, second).se == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 1.0, 2.0), (0.4, 0.8, 1.25)])
def test_kid_is_unbiased_and_its_error_is_how_it_scatters(shift, low, high):
    found = [features_to_kid(features(2 * i, 50), features(2 * i + 1, 50, shift=shift)) for i in range(200)]
    values = np.array([kid.value for kid in found])
    if shift == 0:
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert low < np.mean([kid.se for kid in found]) / values.std() < high


def test_a_slice_at_a_time_gives_the_same_kid():
    first, second = features(0, 1500), features(1, 1100)
    kernels = [(a @ b.T / 8 + 1) ** 3 for a, b in ((first, first), (second, second), (first, second))]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
    assert features_to_kid(first, second).value == pytest.approx(sum(within) - 2 * kernels[2].mean(), abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_matter(seed, shuffle):
    first, second = features(seed, 20), features(seed + 1, 30, shift=0.2)
    orders = [shuffle.sample(range(len(side)), len(side)) for side in (first, second)]
    again = (first[orders[0]], second[orders[1]])
    assert fid(*again) == pytest.approx(fid(first, second), abs=1e-9)
    assert features_to_kid(*again).value == pytest.approx(features_to_kid(first, second).value, abs=1e-9)
    assert features_to_kid(*again).se == pytest.approx(features_to_kid(first, second).se, abs=1e-9)


def test_what_cannot_be_compared_is_said():
    with pytest.raises(DataError, match="2 images are too few to compare features: give at least 3"):
        features_to_kid(features(0, 2), features(1))
    with pytest.raises(DataError, match="8 and of 9 dimensions"):
        features_to_kid(features(0), features(1, dimension=9))
    with pytest.raises(DataError, match="not finite"):
        features_to_moments(np.full((4, 2), np.nan))
