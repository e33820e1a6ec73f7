from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.seeds import Purpose, image_noise
from gan_aug.synthesis.latents import Latent, between, noise_of, truncated, walk, weights_of
from gan_aug.synthesis.sampler import BLOCK, _passes, make_ahead, make_images, sample
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


@pytest.mark.parametrize(("count", "chunk"), [(0, None), (150, None), (150, BLOCK), (300, 2 * BLOCK), (256, 2 * BLOCK)])
def test_images_made_as_on_a_gpu_are_the_same(count: int, chunk: int | None) -> None:
    generator = build_generator(NETWORKS).eval()
    labels, drawn = np.eye(3, dtype=np.float32)[np.arange(count) % 3], noise(5, count, NETWORKS.latent)
    made = make_ahead(generator, lambda rows: drawn[rows.start : rows.stop], labels, chunk)
    np.testing.assert_array_equal(made, make_images(generator, drawn, labels))


@given(truncation=st.floats(0, 1))
def test_truncation_scales_every_latent(truncation: float) -> None:
    drawn = noise(5, 4)
    made = truncated(drawn, truncation)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, drawn * truncation, rtol=1e-6, atol=1e-30)


@given(first=st.integers(0, 2**32 - 1), last=st.integers(0, 2**32 - 1), frames=st.integers(2, 40))
def test_a_way_begins_and_ends_with_its_images_and_stays_near_the_sphere(first: int, last: int, frames: int) -> None:
    start, end = noise(first)[0], noise(last)[0]
    way = between(start, end, np.linspace(0, 1, frames))
    assert way.shape == (frames, 64)
    np.testing.assert_array_equal(way[0], start)
    np.testing.assert_array_equal(way[-1], end)
    lengths = np.linalg.norm(way, axis=1)
    ends = np.linalg.norm([start, end], axis=1)
    assert lengths.min() > 0.9 * ends.min(), "a straight way would come as near as 0.7 to the middle"
    assert lengths.max() < 1.1 * ends.max()


def test_a_way_takes_equal_angles() -> None:
    start, end = np.array([2.0, 0, 0], dtype=np.float32), np.array([0, 2.0, 0], dtype=np.float32)
    way = between(start, end, np.linspace(0, 1, 5))
    angles = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(angles, [0, 22.5, 45, 67.5, 90], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_a_way_without_an_angle_is_straight(factor: float) -> None:
    start = noise(1)[0]
    end = start * np.float32(factor)
    np.testing.assert_allclose(between(start, end, [0.5])[0], (start + end) / 2, atol=1e-5)


@given(seeds=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), steps=st.integers(2, 9))
def test_a_walk_begins_and_ends_with_its_points_and_moves_what_differs(seeds: tuple[int, int], steps: int) -> None:
    start, end = Latent((1.0, 0.0, 0.0), seeds[0], 3), Latent((0.0, 0.0, 1.0), seeds[1], 3, truncation=0.5)
    points = walk(start, end, np.linspace(0, 1, steps))
    assert (points[0], points[-1]) == (start, end)
    np.testing.assert_allclose(weights_of(points).sum(axis=1), 1, rtol=1e-6)
    for t, point in zip(np.linspace(0, 1, steps)[1:-1], points[1:-1], strict=True):
        assert point.weights == pytest.approx((1 - t, 0, t))
        assert point.truncation == pytest.approx(1 - t / 2)
        assert (point.toward, point.position) == (((seeds[1], 3), t) if seeds[0] != seeds[1] else (None, 0))
    made = noise_of(points, 64)
    ends = (image_noise(seed, Purpose.SYNTHESIS, [3], 64)[0] for seed in seeds)
    first, last = next(ends), next(ends)
    np.testing.assert_array_equal(made[0], first)
    np.testing.assert_array_equal(made[-1], truncated(last, 0.5))
    for point, row in zip(points[1:-1], made[1:-1], strict=True):
        np.testing.assert_array_equal(row, truncated(between(first, last, [point.position])[0], point.truncation))


def test_only_whole_labels_and_noise_of_one_image_are_samples() -> None:
    assert Latent((0.0, 1.0, 1.0), 4, 9, truncation=0.3).is_sample
    assert not Latent((0.5, 0.5), 4).is_sample
    assert not Latent((0.0, 1.0), 4, toward=(4, 1), position=0.5).is_sample


@given(st.lists(st.one_of(st.none(), st.integers(0, BLOCK - 1)), min_size=1, max_size=150))
def test_every_image_gets_the_row_it_needs_and_no_pass_is_wasted(rows: list[int | None]) -> None:
    passes = _passes(rows)
    placed = {image: row for taken in passes for row, image in taken.items()}
    assert sorted(placed) == list(range(len(rows)))
    assert all(row is None or placed[image] == row for image, row in enumerate(rows))
    assert all(0 <= row < BLOCK for row in placed.values())
    most_alike = max((rows.count(row) for row in set(rows) - {None}), default=0)
    assert len(passes) == max(most_alike, -(-len(rows) // BLOCK))
