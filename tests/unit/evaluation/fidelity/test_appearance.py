"""Blur, ratios and spectra of appearance beside what scipy and sums by hand give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gan_aug.evaluation.fidelity import appearance
from gan_aug.evaluation.fidelity.appearance import BLUR, blurred, features_figures, spectrum_figures
from gan_aug.evaluation.fidelity.distances import KidReference, features_to_kid
from gan_aug.evaluation.fidelity.sets import FeatureSets, Side
from gan_aug.evaluation.fidelity.spectrum import finest_power, radial_power


def side(count: int, seed: int, deviation: float = 20.0, size: tuple[int, int] = (24, 18)) -> Side:
    rng = np.random.default_rng(seed)
    images = rng.normal(128, deviation, (count, 1, *size)).clip(0, 255).astype(np.uint8)
    return Side(images, np.eye(2, dtype=np.float32)[np.arange(count) % 2])


def test_the_blur_is_a_gaussian() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 9, 31), dtype=np.uint8)
    expected = gaussian_filter(images.astype(float), BLUR, mode="nearest", truncate=3, axes=(2, 3))
    assert np.abs(blurred(images) - expected).max() < 0.51  # rounded to whole grey values
    assert blurred(images[:0]).shape == (0, 2, 9, 31)
    assert (blurred(np.full((1, 1, 8, 8), 77, dtype=np.uint8)) == 77).all()


def test_the_finest_power_is_a_ratio_with_the_error_of_both_sides() -> None:
    sides = side(60, 0), side(60, 1), side(60, 2, deviation=40)
    whole, classes = spectrum_figures(sides, [[each.labels[:, k] == 1 for each in sides] for k in range(2)])
    power = [finest_power(each.images) for each in sides]
    assert whole["finest"]["power"] == pytest.approx(power[0])
    assert whole["finest"]["value"] == pytest.approx(power[2] / power[0])
    assert whole["finest"]["value"] == pytest.approx(4, rel=0.1)
    assert whole["finest"]["real"] == pytest.approx(power[1] / power[0])
    assert abs(whole["finest"]["real"] - 1) < 4 * whole["finest"]["real_se"] < 0.2
    assert whole["spectrum"]["synthetic"] == pytest.approx(radial_power(sides[2].images))
    assert classes[0]["spectrum"]["real"] == pytest.approx(radial_power(sides[1].images[::2]))
    resampled = [finest_power(side(60, seed).images) / power[0] for seed in range(10, 30)]
    assert 0.5 < whole["finest"]["real_se"] / (2**0.5 * np.std(resampled)) < 2  # the reference stays here


def test_long_spectra_are_averaged_and_lacking_images_leave_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appearance, "BINS", 4)
    sides = side(5, 0), side(5, 1), side(5, 2)
    none = [np.zeros(5, dtype=bool)] * 3
    whole, (empty,) = spectrum_figures(sides, [none])
    assert empty == {"spectrum": None, "finest": None}
    fine = radial_power(sides[0].images)  # of 9 frequencies
    assert whole["spectrum"]["reference"] == pytest.approx(
        [fine[:3].mean(), *(fine[i : i + 2].mean() for i in (3, 5, 7))]
    )
    assert whole["spectrum"]["frequencies"] == pytest.approx([2 / 18, 4.5 / 18, 6.5 / 18, 8.5 / 18])
    black = Side(np.zeros_like(sides[0].images), sides[0].labels)
    assert spectrum_figures((black, *sides[1:]), [])[0]["finest"] is None
    assert spectrum_figures((Side(black.images[:0], black.labels[:0]), *sides[1:]), [none])[1] == [empty]


def test_distances_are_those_of_the_images_and_of_the_members_of_a_class() -> None:
    rng = np.random.default_rng(0)
    raw, soft = (FeatureSets(*(rng.normal(shift, 1, (20, 6)) for shift in (0, 0, 1))) for _ in range(2))
    members = [rng.random(20) < 0.5 for _ in range(3)]
    whole, (own, few) = features_figures(raw, soft, [members, [np.arange(20) < 2] * 3])
    kid = features_to_kid(soft.reference, soft.synthetic)
    assert (whole["kid_blurred"]["value"], whole["kid_blurred"]["se"]) == pytest.approx((kid.value, kid.se))
    expected = features_to_kid(raw.reference[members[0]], raw.synthetic[members[2]]).value
    assert own["kid"]["value"] == pytest.approx(expected)
    assert few == {"kid": None, "kid_blurred": None}


def test_the_spread_is_half_the_mean_squared_distance_in_the_kernel() -> None:
    features = np.random.default_rng(0).normal(0, 1, (9, 5))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    pairs = [(x, y) for i, x in enumerate(features) for j, y in enumerate(features) if i != j]
    expected = np.mean([kernel(x, x) + kernel(y, y) - 2 * kernel(x, y) for x, y in pairs]) / 2
    assert KidReference(features).spread == pytest.approx(expected)
