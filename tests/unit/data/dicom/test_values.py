"""Pixels of DICOM files against what pydicom's own functions or a few lines by hand make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset  # noqa: TID251
from pydicom.pixels import (  # noqa: TID251
    apply_color_lut,
    apply_modality_lut,
    apply_rescale,
    apply_voi,
    apply_windowing,
    convert_color_space,
)
from pydicom.sequence import Sequence  # noqa: TID251
from pydicom.uid import JPEGLSLossless, RLELossless  # noqa: TID251

from tests.support.dicom.samples import dataset, shown

Array = NDArray[Any]


def deep(share: Array) -> Array:
    """Shares of the grey range, 0 to 1, over that of uint16."""
    return np.rint(np.clip(share, 0, 1) * 65535)


def same(made: Dataset, share: Array, frame: int = 0, **config: Any) -> None:
    found = shown(made, frame, **config)
    assert found.dtype == np.uint16
    assert len(np.unique(found)) > 3, "so flat an image shows nothing"
    np.testing.assert_allclose(found, deep(share), atol=1)


def table(descriptor: list[int], values: Array) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = descriptor
    if len(values) < 2**15:
        item.add_new("LUTData", "US", values.astype(int).tolist())
    else:  # more than the length of an explicit US can say
        item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    item.ModalityLUTType = "US"
    return Sequence([item])


def ramp(dtype: Any = np.uint16, low: int = 0, high: int = 4095) -> Array:
    return np.linspace(low, high, 120).astype(dtype).reshape(12, 10)


def stored_in(values: Array, bits: int) -> Dataset:
    """A film whose values use the lower `bits` of the bits they stand in."""
    made = dataset(values)
    made.BitsStored, made.HighBit = bits, bits - 1
    return made


# Grey: Modality LUT, VOI LUT, windows


def test_a_modality_table_and_then_a_voi_table() -> None:
    values = np.arange(120, dtype=np.uint16).reshape(12, 10)
    made = stored_in(values, 12)
    made.ModalityLUTSequence = table([100, 10, 16], np.arange(100) ** 2)
    voi = 4095 - np.arange(1000) * 4
    made.VOILUTSequence = table([1000, 500, 12], voi)
    del made.VOILUTSequence[0].ModalityLUTType
    by_pydicom = apply_voi(apply_modality_lut(values, made), made)
    # By hand as well: what lies outside a table gets its first or last value.
    squares = np.clip(values.astype(int) - 10, 0, 99) ** 2
    by_hand = voi[np.clip(squares - 500, 0, 999)]
    assert (by_pydicom == by_hand).all()
    same(made, by_hand / 4095)


def test_a_voi_table_comes_before_a_window() -> None:
    values = ramp(high=255)
    made = dataset(values, WindowCenter=10, WindowWidth=5)
    made.VOILUTSequence = table([256, 0, 8], 255 - np.arange(256))
    same(made, (255 - values) / 255)


def test_a_table_of_256_values_by_a_descriptor_of_65536() -> None:
    values = np.arange(0, 65536, 547, dtype=np.uint16).reshape(12, 10)
    made = dataset(values)
    made.VOILUTSequence = table([0, 0, 16], np.arange(65536)[::-1])  # 0 says 65536
    same(made, (65535 - values.astype(float)) / 65535)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2.5, -1024)])
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_window_functions(function: str, slope: float, intercept: float, photometric: str) -> None:
    values = ramp()
    made = stored_in(values, 12)
    made.PhotometricInterpretation = photometric
    made.RescaleSlope, made.RescaleIntercept = slope, intercept
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 900, 1500, function
    grey = values * float(slope) + intercept
    by_hand = {
        "LINEAR": (grey - 899.5) / 1499 + 0.5,
        "LINEAR_EXACT": (grey - 900) / 1500 + 0.5,
        "SIGMOID": 1 / (1 + np.exp(-4 * (grey - 900) / 1500)),
    }[function]
    share = np.clip(by_hand, 0, 1)
    low, high = (bound * slope + intercept for bound in (0, 4095))  # what pydicom spreads the window over
    by_pydicom = (apply_windowing(apply_rescale(values, made), made) - low) / (high - low)
    np.testing.assert_allclose(by_pydicom, share, atol=2e-3)
    same(made, share if photometric == "MONOCHROME2" else 1 - share)


def test_a_window_by_name() -> None:
    values = ramp()
    made = stored_in(values, 12)
    made.WindowCenter, made.WindowWidth = [500, 3000], [200, 1000]
    made.WindowCenterWidthExplanation = ["SOFT", "BONE"]
    for name, index in (("first", 0), ("SOFT", 0), ("BONE", 1)):
        same(made, apply_windowing(values, made, index=index) / 4095, window=name)


def test_percentiles_where_there_is_no_window() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (40, 30), dtype=np.uint16)
    low, high = np.percentile(values, [0.5, 99.5])
    same(stored_in(values, 12), (values - low) / (high - low))
    made = stored_in(values, 12)
    made.WindowCenter, made.WindowWidth = 1, 2
    same(made, (values - low) / (high - low), window="percentile")


# How values are stored


def test_signed_12_bit_in_16_whose_upper_bits_are_not_set() -> None:
    values = ramp(np.int16, -2048, 2047)
    # Some writers leave the sign in bit 11 alone: 0x0800 is -2048.
    made = stored_in((values & 0x0FFF).astype(np.int16), 12)
    made.PixelData = (values.astype(np.int32) & 0x0FFF).astype(np.uint16).tobytes()
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 0, 4096, "LINEAR_EXACT"
    same(made, values / 4096 + 0.5)


def test_10_bit_with_rubbish_above() -> None:
    values = ramp(high=1023)
    made = stored_in(values, 10)
    made.PixelData = (values | 0x4000).tobytes()  # an overlay, as old files keep it
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 512, 1024, "LINEAR_EXACT"
    same(made, values / 1024)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_10_bit_compressed(syntax: str) -> None:
    made = stored_in(ramp(high=1023), 10)
    made.WindowCenter, made.WindowWidth = 512, 1024
    plain = shown(made)
    made.compress(syntax)
    assert (shown(made) == plain).all()
    assert len(np.unique(plain)) > 100


def test_an_rle_frame_that_holds_the_marker_of_another_codec() -> None:
    values = np.full((12, 10), 7, dtype=np.uint8)
    values[0] = [0x4F, 0x4F, 0x51, 0x51, 1, 2, 3, 4, 5, 6]  # two runs of two: ff 4f ff 51 in RLE, as in JPEG 2000
    made = dataset(values, WindowCenter=128, WindowWidth=256)
    made.compress(RLELossless)
    assert b"\xff\x4f\xff\x51" in made.PixelData
    assert (shown(made) == values.astype(int) * 257).all()


# Colour


def colours(height: int = 12, width: int = 10) -> Array:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_colour_by_plane() -> None:
    made = dataset(colours(), PlanarConfiguration=1)
    made.PixelData = colours().transpose(2, 0, 1).tobytes()
    assert (shown(made) == colours()).all()


def test_ybr_full_becomes_rgb() -> None:
    stored = colours()
    made = dataset(stored, PhotometricInterpretation="YBR_FULL")
    found = shown(made)
    assert (found == convert_color_space(stored, "YBR_FULL", "RGB")).all()
    # PS3.3 C.7.6.3.1.2, the other way round.
    y, b, r = (stored[..., k].astype(float) - (128 if k else 0) for k in range(3))
    by_hand = np.stack([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b], axis=-1)
    np.testing.assert_allclose(found, np.clip(by_hand, 0, 255), atol=1)


def test_ybr_full_422_is_made_whole_and_becomes_rgb() -> None:
    whole = colours()
    whole[:, 1::2, 1:] = whole[:, ::2, 1:]  # two neighbours share their colour
    made = dataset(whole, PhotometricInterpretation="YBR_FULL_422")
    pairs = [whole[:, ::2, :1], whole[:, 1::2, :1], whole[:, ::2, 1:]]  # Y1 Y2 Cb Cr
    made.PixelData = np.concatenate(pairs, axis=-1).tobytes()
    assert (shown(made) == convert_color_space(whole, "YBR_FULL", "RGB")).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_becomes_colour(bits: int) -> None:
    values = np.random.default_rng(2).integers(0, 40, (12, 10), dtype=np.uint8)
    made = dataset(values, PhotometricInterpretation="PALETTE COLOR")
    entries = np.random.default_rng(3).integers(0, 2**bits, (3, 32)).astype(np.uint8 if bits == 8 else np.uint16)
    for name, one in zip(("Red", "Green", "Blue"), entries, strict=True):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [32, 4, bits])
        setattr(made, f"{name}PaletteColorLookupTableData", one.tobytes())
    found = shown(made)
    assert found.dtype == entries.dtype
    assert (found == apply_color_lut(values, made)).all()
    assert (found == entries.T[np.clip(values.astype(int) - 4, 0, 31)]).all()


def test_a_palette_with_alpha_or_16_bit_entries_of_8() -> None:
    values = np.arange(120, dtype=np.uint8).reshape(12, 10)
    made = dataset(values, PhotometricInterpretation="PALETTE COLOR")
    entries = np.random.default_rng(3).integers(0, 256, (4, 256), dtype=np.uint16)
    for name, one in zip(("Red", "Green", "Blue", "Alpha"), entries, strict=True):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(made, f"{name}PaletteColorLookupTableData", one.tobytes())
    assert (shown(made) == entries.T[values][..., :3]).all()


# The border


def test_a_collimated_field_is_cropped_before_it_is_resized() -> None:
    values = np.zeros((12, 10), dtype=np.uint16)
    values[3:9, 2:7] = ramp(low=500)[3:9, 2:7]
    values[0, 0] = 20  # a speck of noise is no image
    made = stored_in(values, 12)
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 2048, 4096, "LINEAR_EXACT"
    whole = deep(values / 4096)
    np.testing.assert_allclose(shown(made, crop="border"), whole[3:9, 2:7], atol=1)
    assert shown(made).shape == (12, 10)
    # MONOCHROME1: its border is black where it is stored at the other end.
    made.PixelData = (4095 - values).astype(np.uint16).tobytes()
    made.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_allclose(shown(made, crop="border"), whole[3:9, 2:7], atol=17)  # 4095 is not 4096
