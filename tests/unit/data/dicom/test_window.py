"""Whole numbers through a table are what each pixel by itself would be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom.dataset import Dataset  # noqa: TID251 - headers made for the test

from gan_aug.data.dicom.attributes import Attributes
from gan_aug.data.dicom.grey_scale import GreyScale, read_scale
from gan_aug.data.dicom.pixel_module import PixelModule
from gan_aug.data.dicom.window import _weighted_percentiles, windowed, windowed_uint16


@given(
    values=arrays.arrays(np.int16, (9, 7), elements=st.integers(-30, 30)),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    header=st.sampled_from(
        [
            {},
            {"RescaleSlope": -2.5, "RescaleIntercept": 7},
            {"WindowCenter": 4, "WindowWidth": 20},
            {"WindowCenter": 4, "WindowWidth": 20, "VOILUTFunction": "SIGMOID"},
            {"WindowCenter": 4, "WindowWidth": 20, "VOILUTFunction": "LINEAR_EXACT", "RescaleSlope": 1.5},
            {"PixelPaddingValue": -30, "PixelPaddingRangeLimit": -20},
        ]
    ),
    window=st.sampled_from(["first", "percentile"]),
)
def test_the_table_is_the_pixelwise_way(
    values: np.ndarray, photometric: str, header: dict[str, Any], window: str
) -> None:
    dataset = Dataset()
    for name, value in header.items():
        setattr(dataset, name, value)
    module = PixelModule("PixelData", 9, 7, 1, 1, photometric, False, 16, 16, 15, True)
    scale = read_scale(Attributes(dataset), module, 0, window)
    pixelwise = np.rint(windowed(scale, values) * 65535)
    np.testing.assert_allclose(windowed_uint16(scale, values), pixelwise, atol=1)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_weighted_percentiles_are_numpys(values: list[int]) -> None:
    greys, counts = np.unique(np.array(values, dtype=np.float64), return_counts=True)
    expected = np.percentile(np.array(values, dtype=np.float64), [0.5, 99.5])
    assert _weighted_percentiles(greys, counts, (0.5, 99.5)) == pytest.approx(tuple(expected), abs=1e-9)


def test_percentiles_of_a_large_image_are_those_of_rows_and_columns_of_it() -> None:
    values = np.random.default_rng(0).normal(2000, 300, (1024, 1024)).clip(0, 4095).astype(np.uint16)
    low, high = np.percentile(values, [0.5, 99.5])
    expected = np.clip((values - low) / (high - low), 0, 1) * 65535
    np.testing.assert_allclose(windowed_uint16(GreyScale(), values), expected, atol=514)  # two grey levels of 256


def test_a_mark_on_a_large_empty_field_is_seen_wherever_it_is() -> None:
    values = np.full((1024, 1024), 70, dtype=np.uint16)
    values[333, 777] = 90
    shown = windowed_uint16(GreyScale(), values)
    assert (shown[333, 777], shown[0, 0]) == (65535, 0)


def test_float_pixels_times_a_large_slope_do_not_overflow() -> None:
    values = np.linspace(1e38, 3e38, 63, dtype=np.float32).reshape(9, 7)
    module = PixelModule("FloatPixelData", 9, 7, 1, 1, "MONOCHROME2", False, 32, 32, 31, True)
    dataset = Dataset()
    dataset.RescaleSlope, dataset.RescaleIntercept = 10, 0
    grey = windowed(read_scale(Attributes(dataset), module, 0, "percentile"), values)
    np.testing.assert_allclose(grey, np.clip(np.linspace(-0.005, 1.005, 63), 0, 1).reshape(9, 7), atol=0.01)
