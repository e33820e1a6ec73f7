"""The aligned search, against warping every image in every variant and comparing all pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_aug.privacy.nearest import AlignedSearch
from gan_aug.privacy.space import Space, fit_space
from gan_aug.privacy.views import Variant, images_to_views, variants, view_shape, warp
from tests.unit.privacy.films import films

SHAPE = (16, 12)


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.uint8]:
    return films(90, SHAPE, seed=1)


@pytest.fixture(scope="module")
def space(images: npt.NDArray[np.uint8]) -> Space:
    return fit_space(images_to_views(images[:60]), SHAPE)


def brute_force(
    space: Space, training: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8], ways: list[Variant]
) -> npt.NDArray[np.float64]:
    """The distance of each query in each way to each training image, `(queries, ways, training)`, by warping images."""
    features = space.features(images_to_views(training)).double().numpy()
    views = images_to_views(queries).double().numpy()
    warped = [space.features(torch.from_numpy((warp(way, space.shape) @ views.T).T).float()).numpy() for way in ways]
    found: npt.NDArray[np.float64] = np.linalg.norm(np.stack(warped, 1)[:, :, None] - features[None, None], axis=3)
    return found


def test_search_equals_warping_every_image(images: npt.NDArray[np.uint8], space: Space) -> None:
    training, queries, ways = images[:60], images[60:], variants()
    search = AlignedSearch(space, space.features(images_to_views(training)), np.arange(60), ways)
    found = search.nearest(queries, np.arange(len(queries)))
    expected = brute_force(space, training, queries, ways)
    np.testing.assert_allclose(found.distance, expected.min(axis=(1, 2)), atol=1e-4)
    best = expected.min(axis=1).argmin(axis=1)
    assert (found.row == best).mean() == 1.0
    assert len(ways) == 84
    assert len(variants(("horizontal", "vertical"))) == 168


def test_patients_are_passed_over(images: npt.NDArray[np.uint8], space: Space) -> None:
    patients = np.arange(60) // 3
    ways = variants()[::9]
    search = AlignedSearch(space, space.features(images_to_views(images[:60])), patients, ways)
    without = [(int(k), (int(k) + 1) % 20) for k in patients]
    found = search.nearest(images, np.arange(60), without=without)
    expected = brute_force(space, images[:60], images[:60], ways).min(axis=1)
    for k, own in enumerate(without):
        expected[k, np.isin(patients, own)] = np.inf
    np.testing.assert_allclose(found.distance, expected.min(axis=1), atol=1e-4)
    alone = search.nearest(images, np.arange(2), without=[tuple(range(20))] * 2)
    assert np.isinf(alone.distance).all()


@pytest.mark.parametrize("variant", [Variant(degrees=5), Variant(mirrored=True), Variant(scale=1.1), Variant(down=0.1)])
def test_a_variant_undoes_its_opposite(variant: Variant) -> None:
    image = films(1, (64, 64), seed=3, detail=4)
    opposite = Variant(variant.mirrored, False, -variant.degrees, 1 / variant.scale, -variant.down, -variant.right)
    again = opposite.of(variant.of(image))
    inner = np.s_[..., 12:-12, 12:-12]
    assert np.abs(again[inner].astype(int) - image[inner]).mean() < 4
    if variant.mirrored:
        np.testing.assert_array_equal(variant.of(image), image[..., ::-1])


def test_views_are_grey_and_small_and_without_contrast() -> None:
    image = films(3, (100, 80), seed=5).repeat(3, axis=1)
    views = images_to_views(image)
    assert view_shape((100, 80)) == (64, 51)
    assert views.shape == (3, 64 * 51)
    np.testing.assert_allclose(images_to_views(image // 2 + 20).numpy(), views.numpy(), atol=0.1)
    assert torch.isfinite(images_to_views(np.zeros((1, 1, 8, 8), dtype=np.uint8))).all()
