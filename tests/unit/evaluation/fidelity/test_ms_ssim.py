from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.evaluation.fidelity.ms_ssim import WEIGHTS, images_to_similarity, ms_ssim, scales_of, window_of


def smooth(seed, count, side, channels=1):
    """Images with structure at every scale."""
    generator = np.random.default_rng(seed)
    images = sum(
        np.kron(generator.normal(0, 25, (count, channels, side // s, side // s)), np.ones((1, 1, s, s)))
        for s in (1, 2, 4)
    )
    return (images + 128).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "channels", "scales"), [(28, 1, 2), (48, 3, 3), (192, 1, 5)])
def test_it_is_what_monai_computes(side, channels, scales):
    from monai.metrics.regression import MultiScaleSSIMMetric  # noqa: TID251 - the reference of this test

    first = smooth(0, 3, side, channels)
    second = (first * 0.7 + 0.3 * smooth(1, 3, side, channels)).astype(np.uint8)
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=255, weights=tuple(weights))
    tensors = [torch.from_numpy(images.astype(np.float64)) for images in (first, second)]
    expected = metric(*tensors).numpy().ravel()
    assert scales_of(side, side) == scales
    assert 0.05 < expected.min() < expected.max() < 0.99
    assert ms_ssim(first, second) == pytest.approx(expected, rel=1e-5)


def test_the_scales_and_the_window_fit_the_image():
    sides = (8, 11, 16, 21, 22, 28, 64, 176, 1024)
    assert [scales_of(side, side) for side in sides] == [1, 1, 1, 1, 2, 2, 3, 5, 5]
    assert [window_of(side, 300) for side in (8, 9, 10, 11, 28)] == [7, 9, 9, 11, 11]


def test_an_image_is_like_itself_and_alike_both_ways():
    first, second = smooth(0, 4, 28), smooth(1, 4, 28)
    assert ms_ssim(first, first) == pytest.approx(np.ones(4))
    assert ms_ssim(first, second) == pytest.approx(ms_ssim(second, first))
    assert (ms_ssim(first, 255 - first) == 0).all()


@pytest.mark.parametrize("side", [8, 16, 28])
def test_a_collapsed_generator_is_seen(side):
    varied = images_to_similarity(smooth(0, 40, side), seed=0)
    collapsed = images_to_similarity(smooth(0, 40, side)[[3] * 40], seed=0)
    assert varied is not None
    assert collapsed is not None
    assert collapsed.value == pytest.approx(1)
    assert varied.value + 5 * varied.se < 0.8


def test_pairs_are_of_different_images_and_the_same_each_time():
    two = smooth(0, 2, 16)
    similarity = images_to_similarity(two, seed=1)
    assert similarity is not None
    assert similarity.value == pytest.approx(ms_ssim(two[:1], two[1:])[0])
    many = smooth(0, 30, 16)
    assert images_to_similarity(many, seed=1) == images_to_similarity(many, seed=1)
    assert images_to_similarity(many[:1], seed=1) is None
