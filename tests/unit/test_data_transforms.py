from __future__ import annotations

import numpy as np
import pytest

from gan_aug.data.transforms import ClassicAugmentation


def images(count: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, 24, 16), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_augmented_alike_whoever_shares_its_batch(channels: int) -> None:
    augmentation, given = ClassicAugmentation((channels, 24, 16)), images(12, channels)
    together = augmentation(given, 3, range(12))
    assert together.shape == given.shape
    assert together.dtype == np.uint8
    later = ClassicAugmentation((channels, 24, 16))
    np.testing.assert_array_equal(later(given[5:9], 3, range(5, 9)), together[5:9])
    assert not np.array_equal(augmentation(given, 4, range(12)), together)
    assert not np.array_equal(together, given)


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(1)  # noqa: NPY002 - the state that must not move
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    ClassicAugmentation((1, 24, 16))(images(4), 0, range(4))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index] # noqa: NPY002


def test_mirrored_only_where_the_set_allows_it() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (1, 24, 1))[None].repeat(40, axis=0)

    def falls(batch: np.ndarray) -> int:
        return int(sum(image[0, 12, 3:8].astype(int).mean() > image[0, 12, 8:13].astype(int).mean() for image in batch))

    assert falls(ClassicAugmentation((1, 24, 16))(ramp, 0, range(40))) == 0
    assert 5 < falls(ClassicAugmentation((1, 24, 16), ("horizontal",))(ramp, 0, range(40))) < 35
