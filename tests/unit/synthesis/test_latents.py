from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.synthesis.latents import between, truncated
from gan_aug.synthesis.sampler import make_images, sample
from tests.support.gan_samples import NETWORKS


def noise(seed: int, count: int = 1, latent: int = 64) -> np.ndarray:
    return image_noise(seed, Purpose.SYNTHESIS, range(count), latent)


def test_truncation_of_one_alters_no_byte_and_less_gathers_the_images() -> None:
    generator = build_generator(NETWORKS).eval()
    labels = np.eye(3, dtype=np.float32)[np.zeros(70, dtype=int)]
    plain = sample(generator, labels, seed=3)
    np.testing.assert_array_equal(sample(generator, labels, seed=3, truncation=1.0), plain)
    np.testing.assert_array_equal(make_images(generator, noise(3, 70, NETWORKS.latent), labels), plain)
    spreads = [sample(generator, labels, seed=3, truncation=t).astype(float).std(axis=0).mean() for t in (1, 0.5, 0)]
    assert spreads[0] > spreads[1] > spreads[2] == 0


@given(truncation=st.floats(0, 1))
def test_truncation_scales_every_latent(truncation: float) -> None:
    drawn = noise(5, 4)
    made = truncated(drawn, truncation)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, drawn * truncation, rtol=1e-6, atol=1e-30)


@given(first=st.integers(0, 2**32 - 1), last=st.integers(0, 2**32 - 1), frames=st.integers(2, 40))
def test_a_way_begins_and_ends_with_its_images_and_stays_near_the_sphere(first: int, last: int, frames: int) -> None:
    start, end = noise(first)[0], noise(last)[0]
    way = between(start, end, frames)
    assert way.shape == (frames, 64)
    np.testing.assert_array_equal(way[0], start)
    np.testing.assert_array_equal(way[-1], end)
    lengths = np.linalg.norm(way, axis=1)
    ends = np.linalg.norm([start, end], axis=1)
    assert lengths.min() > 0.9 * ends.min(), "a straight way would come as near as 0.7 to the middle"
    assert lengths.max() < 1.1 * ends.max()


def test_a_way_takes_equal_angles() -> None:
    start, end = np.array([2.0, 0, 0], dtype=np.float32), np.array([0, 2.0, 0], dtype=np.float32)
    way = between(start, end, 5)
    angles = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(angles, [0, 22.5, 45, 67.5, 90], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_a_way_without_an_angle_is_straight(factor: float) -> None:
    start = noise(1)[0]
    end = start * np.float32(factor)
    np.testing.assert_allclose(between(start, end, 3)[1], (start + end) / 2, atol=1e-5)
