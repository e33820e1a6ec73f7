"""The power spectrum beside one that is computed another way, and on images whose spectrum is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gan_aug.evaluation.fidelity.spectrum import (
    FINEST,
    bin_frequencies,
    finest_power,
    images_to_spectra,
    radial_power,
)

Images = npt.NDArray[np.uint8]
SHAPES = [(16, 16), (15, 15), (8, 30), (33, 12), (28, 28), (2, 5)]


def noise(*shape: int, deviation: float = 20.0) -> Images:
    return np.random.default_rng(0).normal(128, deviation, shape).round().clip(0, 255).astype(np.uint8)


def by_hand(image: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The power and the frequency at each place of the whole plane, by a sum over pixels without any FFT."""
    height, width = image.shape
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in (height, width)))
    x = window * (image - np.average(image, weights=window))
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(np.arange(side), np.arange(side)) / side) for side in (height, width)
    )
    power = np.abs(rows @ x @ columns) ** 2 / (window**2).sum()
    around = [np.minimum(np.arange(side), side - np.arange(side)) / side for side in (height, width)]
    return power, np.sqrt(around[0][:, None] ** 2 + around[1] ** 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_what_a_sum_over_pixels_gives(shape: tuple[int, int]) -> None:
    images = noise(3, 2, *shape)
    planes = [by_hand(image.astype(float)) for image in images.reshape(-1, *shape)]
    power, frequency = np.mean([plane[0] for plane in planes], axis=0), planes[0][1]
    centres = bin_frequencies(*shape)
    nearest = np.abs(frequency[..., None] - centres).argmin(axis=-1)
    bins = [power[(nearest == k) & (frequency > 0)].mean() for k in range(len(centres))]
    # Frequencies half way between two bins may go to either; elsewhere both must agree.
    halfway = np.isclose(frequency[..., None], (centres[1:] + centres[:-1]) / 2).any(axis=(0, 1))
    sure = np.array([not halfway[max(0, k - 1) : k + 1].any() for k in range(len(centres))])
    np.testing.assert_allclose(radial_power(images)[sure], np.array(bins)[sure], rtol=1e-9)
    assert finest_power(images) == pytest.approx(power[frequency >= FINEST].mean(), rel=1e-9)


def test_white_noise_is_flat_and_has_its_variance_at_every_frequency() -> None:
    images = noise(2000, 1, 24, 24)
    power = radial_power(images)
    assert power[1:] == pytest.approx(np.full(11, images.var()), rel=0.06)
    assert 0.6 * images.var() < power[0] < images.var()  # the mean is taken away, and a part of this with it
    assert finest_power(images) == pytest.approx(images.var(), rel=0.02)


def test_all_power_together_is_the_variance_under_the_window() -> None:
    image = noise(1, 1, 20, 14)[0, 0].astype(float)
    power, frequency = by_hand(image)
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in image.shape))
    centred = image - np.average(image, weights=window)
    assert power.mean() == pytest.approx(((window * centred) ** 2).sum() / (window**2).sum())
    assert power[frequency == 0] == pytest.approx(0, abs=1e-18)


def test_without_the_window_all_power_together_is_the_variance() -> None:
    image = noise(1, 1, 20, 20)
    spectra = images_to_spectra(image, window=False)
    frequency = np.hypot(np.fft.fftfreq(20)[:, None], np.fft.fftfreq(20))
    places = np.bincount(np.rint(frequency * 20).astype(int).ravel().clip(1, 10) - 1) - np.eye(10, dtype=int)[0]
    assert (spectra.radial[0] * places).sum() / 400 == pytest.approx(image.var())
    assert finest_power(image, window=False) == pytest.approx(spectra.finest[0])
    assert (radial_power(image, window=False) == spectra.radial[0]).all()


@pytest.mark.parametrize("waves", [3, 6, 9, 12, 15])
def test_a_wave_has_its_power_at_its_own_frequency(waves: int) -> None:
    across = 128 + 100 * np.cos(2 * np.pi * waves * np.arange(32) / 32)
    image = np.tile(across, (32, 1)).round().astype(np.uint8)
    for turned in (image, image.T):
        power = radial_power(turned[None, None])
        assert bin_frequencies(32, 32)[power.argmax()] == waves / 32
        far = np.abs(np.arange(1, 17) - waves) > 2
        assert power[far].sum() < 0.001 * power.sum()


def test_a_ramp_has_almost_no_fine_power_though_its_edges_do_not_meet() -> None:
    ramp = np.tile(np.linspace(20, 230, 64), (64, 1)).round().astype(np.uint8)
    speckled = ramp[None, None] + np.random.default_rng(0).integers(0, 3, (1, 1, 64, 64), dtype=np.uint8)
    assert finest_power(ramp[None, None]) < 0.3  # rounding to whole grey values has a power of 1/12
    assert finest_power(speckled) > 2 * finest_power(ramp[None, None])
    assert finest_power(ramp[None, None], window=False) > 20  # the edges, and nothing in the image


@pytest.mark.parametrize("pattern", ["columns", "rows", "chessboard"])
def test_patterns_of_single_pixels_are_seen_in_every_direction(pattern: str) -> None:
    smooth = np.tile(128 + 80 * np.cos(2 * np.pi * np.arange(32) / 32), (32, 1))
    y, x = np.indices((32, 32))
    sign = {"columns": x, "rows": y, "chessboard": x + y}[pattern] % 2
    plain, marked = (image.round().astype(np.uint8)[None, None] for image in (smooth, smooth + 4 * sign))
    assert finest_power(marked) > 20 * finest_power(plain)
    assert radial_power(marked)[-1] > 20 * radial_power(plain)[-1]
    assert radial_power(marked)[:8] == pytest.approx(radial_power(plain)[:8], rel=0.05, abs=0.05)


def test_black_images_have_no_power() -> None:
    black = np.zeros((2, 1, 28, 28), dtype=np.uint8)
    assert finest_power(black) == 0
    assert (radial_power(black) == 0).all()


def test_images_are_apart_and_their_order_and_number_alter_nothing() -> None:
    images = np.concatenate([noise(3, 1, 256, 256), noise(17, 1, 256, 256, deviation=5)])  # more than one block
    spectra = images_to_spectra(images)
    assert spectra.radial.shape == (20, 128)
    np.testing.assert_allclose(images_to_spectra(images[[18, 0]]).radial, spectra.radial[[18, 0]], rtol=1e-12)
    assert finest_power(images) == pytest.approx(spectra.finest.mean())
    assert spectra.finest[:3].min() > 10 * spectra.finest[3:].max()
