from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.data.transforms import ClassicAugmentation, matrices, moved


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


@pytest.mark.parametrize("shape", [(1, 24, 16), (3, 28, 28), (1, 17, 31), (1, 64, 64)])
def test_the_geometry_equals_monai_s_layer_to_the_bit(shape: tuple[int, int, int]) -> None:
    from monai.networks.layers.spatial_transforms import AffineTransform  # noqa: TID251 - the reference

    maps = torch.from_numpy(matrices(ClassicAugmentation(shape).draw(1, range(64)), shape[1:])).float()
    given = torch.rand(64, *shape, generator=torch.Generator().manual_seed(0))
    reference = AffineTransform(normalized=False, align_corners=False, padding_mode="zeros", reverse_indexing=True)
    assert torch.equal(moved(given, maps), reference(given, maps))


def test_a_batch_equals_monai_s_transforms_of_single_images() -> None:
    from monai.transforms import AdjustContrast, Affine, Flip, ShiftIntensity  # noqa: TID251 - the reference

    shape = (1, 24, 16)
    augmentation, given = ClassicAugmentation(shape, ("horizontal", "vertical")), smooth(40, shape)
    drawn = augmentation.draw(5, range(40))
    assert {len(set(values)) > 10 for values in (drawn.angles, drawn.offsets, drawn.gammas)} == {True}
    for i, (image, made) in enumerate(zip(given, augmentation(given, 5, range(40)), strict=True)):
        axes = [axis for axis, flips in ((0, drawn.vertical), (1, drawn.horizontal)) if flips[i]]
        expected = Flip(axes)(image / np.float32(255)) if axes else image / np.float32(255)
        moved = Affine(
            rotate_params=[float(drawn.angles[i])],
            translate_params=[float(shift) for shift in drawn.shifts[i]],
            scale_params=[float(zoom) for zoom in drawn.zooms[i]],
            padding_mode="zeros",
            image_only=True,
        )(expected)
        shifted = ShiftIntensity(float(drawn.offsets[i]), safe=False)(moved)
        bent = AdjustContrast(float(drawn.gammas[i]))(shifted) if drawn.gammas[i] != 1 else shifted
        final = (np.asarray(bent) + drawn.noise[i]).clip(0, 1) * 255
        assert np.abs(final - made.astype(float)).max() <= 0.51, i


def test_each_part_comes_about_half_the_time_and_stays_within_its_bounds() -> None:
    drawn = ClassicAugmentation((1, 24, 16), ("vertical",)).draw(0, range(400))
    shares = [np.mean(values) for values in (drawn.angles != 0, drawn.vertical, drawn.offsets != 0, drawn.gammas != 1)]
    assert all(0.4 < share < 0.6 for share in [*shares, np.mean(drawn.noise.any(axis=(1, 2, 3)))])
    assert not drawn.horizontal.any()
    assert np.rad2deg(np.abs(drawn.angles)).max() <= 10
    assert (np.abs(drawn.shifts).max(axis=0) <= [1.2, 0.8]).all()
    assert (drawn.gammas.min(), drawn.gammas.max()) >= (0.8, 1)


def smooth(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Images without sharp edges, where resamplers agree."""
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    waves = [np.sin(rows / (3 + i % 5)) * np.cos(columns / (2 + i % 3)) for i in range(count)]
    return (127 + 100 * np.array(waves))[:, None].astype(np.uint8)
