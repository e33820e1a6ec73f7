"""Raster: whatever comes in, a stored image of the right shape comes out, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_aug.data.reading.raster import Raster
from gan_aug.errors import DataError

FITS = ("pad", "crop", "stretch")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")

rasters = st.builds(
    Raster,
    st.sampled_from([1, 3]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from(FITS),
    st.sampled_from(FILTERS),
    st.sampled_from(["auto", "full", "percentile"]),
)


@st.composite
def pixel_arrays(draw: st.DrawFn) -> npt.NDArray[Any]:
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    shape = (height, width, 3) if draw(st.booleans()) else (height, width)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@settings(max_examples=150)
@given(rasters, pixel_arrays())
def test_any_pixels_become_the_wanted_shape(raster: Raster, pixels: npt.NDArray[Any]) -> None:
    image = raster(pixels)
    assert image.shape == raster.shape
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@settings(max_examples=100)
@given(rasters, st.integers(1, 24), st.integers(1, 24), st.integers(0, 255), st.sampled_from([1, 257]))
def test_a_constant_image_stays_constant_but_for_padding(
    raster: Raster, height: int, width: int, value: int, scale: int
) -> None:
    pixels = np.full((height, width), value * scale, dtype=np.uint8 if scale == 1 else np.uint16)
    image = raster(pixels)
    assert set(np.unique(image)) <= ({0, value} if raster.fit == "pad" else {value})
    assert value in image


@settings(max_examples=50)
@given(pixel_arrays(), st.sampled_from(FITS), st.sampled_from(FILTERS))
def test_8_bit_pixels_of_the_right_size_are_kept_as_they_are(pixels: npt.NDArray[Any], fit: Any, name: Any) -> None:
    pixels = pixels.astype(np.uint8)
    channels = 1 if pixels.ndim == 2 else 3
    image = Raster(channels, *pixels.shape[:2], fit, name)(pixels)
    assert np.array_equal(np.moveaxis(image, 0, -1).reshape(pixels.shape), pixels)


def test_resizing_is_pillows_own() -> None:
    # Away from black and white, where Pillow's 8-bit path cuts overshoot off between its two passes.
    pixels = np.random.default_rng(0).integers(100, 156, (28, 28), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.LANCZOS), dtype=int)
    found = Raster(1, 16, 16)(pixels)[0].astype(int)
    assert abs(found - expected).max() <= 1


def test_16_bit_pixels_keep_their_depth_until_the_grey_range_is_chosen() -> None:
    # 200 steps within one step of 8 bit: a conversion to 8 bit before the window would leave nothing.
    pixels = (30_000 + np.arange(200, dtype=np.uint16)[None, :]).repeat(4, axis=0)
    assert len(np.unique(Raster(1, 4, 200)(pixels))) > 190
    assert len(np.unique(Raster(1, 4, 200, window="full")(pixels))) <= 2


def test_grey_is_itu_601() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert Raster(1, 1, 3)(pixels).tolist() == [[[76, 150, 29]]]


def test_pad_centres_and_crop_cuts_both_sides() -> None:
    pixels = np.zeros((4, 8), dtype=np.uint8)
    pixels[:, 2:6] = 200
    assert Raster(1, 4, 4, "crop", "nearest")(pixels).min() == 200
    padded = Raster(1, 8, 8, "pad", "nearest")(pixels)[0]
    assert padded[[0, 1, 6, 7]].max() == 0
    assert np.array_equal(padded[2:6], pixels)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((4, 4), dtype=np.float64), "float64"),
        (np.full((4, 4), np.nan, dtype=np.float32), "none of its pixels is a finite number"),
        (np.zeros((4, 4), dtype=np.int32), "int32"),
        (np.zeros((4, 4, 4), dtype=np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((0, 4), dtype=np.uint8), r"\(0, 4\)"),
    ],
)
def test_other_arrays_are_refused_with_the_reason(pixels: npt.NDArray[Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Raster(1, 4, 4)(pixels)


@pytest.mark.parametrize("filter_", ["lanczos", "bilinear", "bicubic", "box"])
def test_a_much_larger_image_is_within_two_grey_levels_of_filtering_all_its_pixels(filter_: Any) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).resize(
        (1000, 900), Image.Resampling.BICUBIC
    )
    film = np.asarray(coarse) + rng.normal(0, 5, (900, 1000))
    film = film.clip(0, 255).astype(np.uint8)
    every = np.asarray(Image.fromarray(film.astype(np.float32)).resize((64, 64), Image.Resampling[filter_.upper()]))
    ours = Raster(1, 64, 64, fit="stretch", filter=filter_)(film)[0]
    np.testing.assert_allclose(ours, every.clip(0, 255), atol=2.2)
    assert np.abs(ours - every.clip(0, 255)).mean() < 0.5  # rounding alone is 0.25


def test_grey_stored_as_colour_is_the_same_grey() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    raster = Raster(1, 64, 64)
    assert np.array_equal(raster(np.repeat(grey[..., None], 3, axis=2)), raster(grey))
