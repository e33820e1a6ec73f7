"""Films whose headers are odd, as they are met in the wild, with the picture that each of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: TID251
from pydicom.encaps import get_frame  # noqa: TID251
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless  # noqa: TID251

from tests.support.dicom.raw import BIG, EXPLICIT, IMPLICIT, RAMP, Header, film, fragments, table, written

Array = NDArray[Any]
SMALL = (np.arange(4096) // 16).astype(np.uint8).reshape(64, 64)
JPEG_LS = "1.2.840.10008.1.2.4.80"
ROOT = np.sqrt(np.arange(4096) / 4095)
"""The curve of the tables, from 0 to 1."""


@dataclass(frozen=True, eq=False)
class OddFilm:
    """A film.

    Attributes:
        make: Gives its bytes.
        picture: The grey values or colours that it shows, 0 to 255; None if it is to be set aside.
        said: What its notes must say, or its reason if it is set aside.
        within: How much a grey value may differ.
    """

    make: Callable[[], bytes]
    picture: Array | None
    said: str = ""
    within: float = 1.0


def grey(**attributes: Any) -> Callable[[], bytes]:
    """A film of 12 bits with these attributes."""
    return lambda: written(film(**attributes))


def small(**attributes: Any) -> Callable[[], bytes]:
    """A film of 8 bits with these attributes."""
    return lambda: written(film(SMALL, **attributes))


def shown(share: Array) -> Array:
    """Shares of the grey range as grey values of 64 x 64 pixels."""
    return np.clip(share, 0, 1).reshape(64, 64) * 255


def stretched(values: Array, among: Array | None = None) -> Array:
    """Percentiles 0.5 to 99.5 of `among`, by default of all."""
    low, high = np.percentile(values if among is None else among, [0.5, 99.5])
    return shown((values - low) / (high - low))


def compressed(values: Array, syntax: str, header: Header) -> bytes:
    """A film whose frame was compressed with all bits of `values`, whatever its header says of them."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    made.Rows, made.Columns = values.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = values.dtype.itemsize * 8
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(values.dtype.kind == "i")
    made.PixelData = values.tobytes()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    made.compress(syntax, generate_instance_uid=False)
    return written(header | {"PixelData": ("OB", fragments([get_frame(made.PixelData, 0)]))}, syntax)


def floats(lost: Array, value: float) -> Callable[[], bytes]:
    values = np.linspace(-5, 5, 4096, dtype=np.float32)
    values[lost] = value
    absent = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth"))
    return grey(FloatPixelData=("OF", values.tobytes()), BitsAllocated=32, **absent)


def padded(photometric: str) -> OddFilm:
    values = np.arange(4096, dtype=np.int16).reshape(64, 64)
    values[:16] = -2000
    none = {"WindowCenter": None, "WindowWidth": None}
    make = grey(
        pixels=values, PhotometricInterpretation=photometric, BitsStored=16, HighBit=15, PixelRepresentation=1,
        PixelPaddingValue=("US", 63536), **none,
    )  # fmt: skip
    picture = stretched(values, values[16:])
    picture = 255 - picture if photometric == "MONOCHROME1" else picture
    picture[:16] = 0
    return OddFilm(make, picture, "PixelPaddingValue (0028,0120) is 63536, and values are signed: read as -2000")


def tabled(entries: Array, descriptor: list[int], share: Array, said: str = "", **attributes: Any) -> OddFilm:
    make = grey(VOILUTSequence=table(entries, descriptor), WindowCenter=None, WindowWidth=None, **attributes)
    return OddFilm(make, shown(share), said)


def palette(big: bool) -> OddFilm:
    index = np.arange(256)
    red, order = (index * 251 + 3) % 65536, ">u2" if big else "<u2"
    entries = {"Red": red, "Green": red[::-1], "Blue": np.roll(red, 64)}
    header = film(SMALL, PhotometricInterpretation="PALETTE COLOR")
    for colour, values in entries.items():
        header[f"{colour}PaletteColorLookupTableDescriptor"] = ("US", [256, 0, 16])
        header[f"{colour}PaletteColorLookupTableData"] = ("OW", values.astype(order).tobytes())
    picture = np.stack([values[SMALL] / 257 for values in entries.values()], axis=-1)
    return OddFilm(lambda: written(header, BIG if big else EXPLICIT), picture)


ramp, small_ramp = shown(RAMP / 4095), SMALL.astype(float)
signed = (RAMP.astype(int) - 2048).astype(np.int16)
all_bits = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1}
overlaid = (RAMP | ((RAMP % 7 == 0) << 12)).astype(np.uint16)

ODD_FILMS: dict[str, OddFilm] = {
    "width_below_one": OddFilm(
        grey(RescaleSlope="0.00024420024420", RescaleIntercept="0", WindowCenter="0.5", WindowWidth="0.9"),
        shown((RAMP / 4095 - 0.5) / 0.9 + 0.5),
        "WindowWidth (0028,1051) is 0.9, too small for LINEAR: LINEAR_EXACT is used",
    ),
    "width_one_fraction": OddFilm(
        grey(RescaleSlope="0.0002442", RescaleIntercept="0", WindowCenter="0.5", WindowWidth="1"), ramp, "too small"
    ),
    "width_zero": OddFilm(grey(WindowWidth="0"), stretched(RAMP), "WindowWidth (0028,1051) is 0, not above 0"),
    "width_negative": OddFilm(grey(WindowWidth="-4096"), stretched(RAMP), "WindowWidth (0028,1051) is -4096"),
    "slope_zero": OddFilm(
        grey(RescaleSlope="0", RescaleIntercept="0"), ramp, "RescaleSlope (0028,1053) is 0: rescale ignored"
    ),
    "slope_two_values": OddFilm(
        grey(RescaleSlope="1\\1", RescaleIntercept="0\\0"), ramp, "RescaleSlope (0028,1053) holds 2 values"
    ),
    "decimal_comma": OddFilm(
        grey(RescaleSlope="1.0", RescaleIntercept="-1024,0", WindowCenter="1023,50", WindowWidth="4096,00"),
        ramp,
        "WindowCenter (0028,1050) holds 1023,50: read as 1023.5",
    ),
    "padding_unsigned_in_signed": padded("MONOCHROME2"),
    "padding_unsigned_mono1": padded("MONOCHROME1"),
    "high_bits_j2k": OddFilm(
        lambda: compressed(overlaid, JPEG2000Lossless, film()), ramp, "bits above BitsStored (0028,0101) are set"
    ),
    "high_bits_jls": OddFilm(
        lambda: compressed(overlaid, JPEGLSLossless, film()), ramp, "bits above BitsStored (0028,0101) are set"
    ),
    "high_bit_15_of_12": OddFilm(lambda: written(film(RAMP << 4, HighBit=15)), ramp),
    "high_bit_13_of_12": OddFilm(lambda: written(film((RAMP << 2) | 1, HighBit=13)), ramp),
    "voi_table_says_16_holds_12": tabled(
        (ROOT * 4095).astype("<u2"), [4096, 0, 16], ROOT, "LUTDescriptor (0028,3002) says 16 bits"
    ),
    "voi_table_first_unsigned": tabled(
        (ROOT * 4095).astype("<u2"), [4096, 63488, 12], ROOT, "the first value mapped: read as -2048",
        pixels=signed, **all_bits,
    ),
    "voi_table_8_bit": tabled((ROOT * 255).astype(np.uint8), [4096, 0, 8], ROOT),
    "float_with_nan": OddFilm(
        floats(np.arange(8), np.nan), stretched(np.r_[np.full(8, 8.0), np.arange(8, 4096)], np.arange(8, 4096)),
        "pixels are not a number or infinite", 2,
    ),
    "float_with_inf": OddFilm(
        floats(np.arange(40), np.inf), stretched(np.r_[np.full(40, 4095.0), np.arange(40, 4096)], np.arange(40, 4096)),
        "pixels are not a number or infinite", 2,
    ),
    "no_file_meta_implicit": OddFilm(lambda: written(film(), IMPLICIT, meta=False, preamble=False), ramp, "is absent"),
    "no_file_meta_explicit": OddFilm(lambda: written(film(), EXPLICIT, meta=False, preamble=False), ramp, "is absent"),
    "preamble_without_meta": OddFilm(
        lambda: written(film(), meta=False), ramp, "TransferSyntaxUID (0002,0010) is absent"
    ),
    "no_samples_per_pixel": OddFilm(
        small(SamplesPerPixel=None), small_ramp, "SamplesPerPixel (0028,0002) is absent: read as 1"
    ),
    "no_pixel_representation": OddFilm(small(PixelRepresentation=None), None, "no PixelRepresentation (0028,0103)"),
    "no_bits_stored": OddFilm(small(BitsStored=None), None, "its header has no BitsStored (0028,0101)"),
    "stored_12_in_8": OddFilm(
        small(BitsStored=12, HighBit=11), None, "says 12, with 8 bits allocated, for BitsStored (0028,0101)"
    ),
    "photometric_lower_case": OddFilm(
        small(PhotometricInterpretation="monochrome2"), small_ramp, "is not written as in the standard"
    ),
    "frames_1A": OddFilm(small(NumberOfFrames="1A"), small_ramp, "NumberOfFrames (0028,0008) holds a number and more"),
    "says_jls_holds_plain": OddFilm(
        lambda: written(film(), JPEG_LS), ramp, "TransferSyntaxUID (0002,0010) is a compressed one"
    ),
    "palette_big_endian": palette(big=True),
    "palette_little_endian": palette(big=False),
    "number_of_another_vr": OddFilm(grey(WindowCenter=("FD", 2048.0), Rows=("UL", 64)), ramp),
    "thousands_set_apart": OddFilm(grey(WindowCenter="2,048.0", WindowWidth="4.096,0"), ramp, "2,048.0: read as 2048"),
    "unit_behind_a_number": OddFilm(
        grey(RescaleSlope="1 HU", RescaleIntercept="-1024HU", WindowCenter="1024"), ramp,
        "RescaleIntercept (0028,1052) holds a number and more: read as -1024",
    ),
    "center_not_a_number": OddFilm(
        grey(WindowCenter=("FD", np.nan), WindowWidth=("FD", 4096.0)), stretched(RAMP), "is not a finite number"
    ),
    "slope_infinite": OddFilm(grey(RescaleSlope="1e999", RescaleIntercept="0"), ramp, "is not a finite number"),
    "second_window_is_valid": OddFilm(
        grey(WindowCenter="5\\2048", WindowWidth="0\\4096"), ramp, "is 0, not above 0: that window is ignored"
    ),
    "function_unknown": OddFilm(grey(VOILUTFunction="CURVE"), ramp, "VOILUTFunction (0028,1056) is none of LINEAR"),
    "table_without_descriptor": OddFilm(
        grey(VOILUTSequence=[{"LUTData": ("OW", bytes(100))}]), ramp, "LUTDescriptor (0028,3002) is absent"
    ),
    "table_of_no_bits": tabled((ROOT * 4095).astype("<u2"), [4096, 0, 0], ROOT, "gives no valid number of bits"),
    "table_too_short": tabled(
        (ROOT * 4095).astype("<u2")[:3000], [4096, 0, 12], ROOT[np.clip(RAMP, 0, 2999)], "holds 3000 entries"
    ),
    "high_bit_absent": OddFilm(grey(HighBit=None), ramp, "HighBit (0028,0102) is absent: read as 11"),
    "high_bit_15_of_values_below": OddFilm(grey(HighBit=15), ramp, "asks for a shift that would lose the values"),
    "rubbish_above_the_bits": OddFilm(lambda: written(film((RAMP | 0xF000).astype(np.uint16))), ramp, "were cut off"),
    "all_of_it_padding": OddFilm(
        grey(PixelPaddingValue=("US", 0), PixelPaddingRangeLimit=("US", 4095)), ramp, "make the whole image padding"
    ),
    "three_samples_for_grey": OddFilm(small(SamplesPerPixel=3, PlanarConfiguration=0), small_ramp, "read as 1"),
    "frames_more_than_said": OddFilm(
        grey(PixelData=RAMP.tobytes() * 2), ramp, "holds 2 frames, NumberOfFrames (0028,0008) says 1"
    ),
    "frames_fewer_than_said": OddFilm(grey(NumberOfFrames="2"), None, "has 8192 bytes, but its header claims 16384"),
    "distances_absurd": OddFilm(grey(PixelSpacing="100\\1"), ramp, "taken for an error, pixels are shown as squares"),
    "distances_of_zero": OddFilm(grey(PixelSpacing="0\\0"), ramp, "is not two numbers above 0"),
    "shape_contradicts": OddFilm(grey(PresentationLUTShape="INVERSE"), ramp, "which MONOCHROME2 excludes: not obeyed"),
    "photometric_unknown": OddFilm(grey(PhotometricInterpretation="HSV"), None, "(0028,0004) is HSV, not one of MONO"),
    "photometric_with_a_name": OddFilm(grey(PhotometricInterpretation="SMITH"), None, "(0028,0004) is none of MONO"),
    "file_within_a_file": OddFilm(lambda: written({}) + written(film()), ramp),
    "another_encoding": OddFilm(lambda: written({}) + written(film(), BIG)[200:], None, "nothing in it can be read"),
    "truncated_pixels": OddFilm(lambda: grey()()[:-100], None, "its pixel data is truncated: the file ends after 8092"),
    "truncated_header": OddFilm(lambda: grey()()[:300], None, "it holds no pixels (CT Image Storage)"),
    "unknown_syntax_plain": OddFilm(lambda: written(film(), "1.2.3.4"), ramp),
}  # fmt: skip
