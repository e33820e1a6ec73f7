"""Compressed pixel data that is not what the header says of it: other codecs, colours, sizes, fragments."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan_aug.data.dicom.codestream import fragments_of, frame_of, read_codestream
from gan_aug.errors import DataError
from tests.support.dicom.odd_films import JPEG_LS, compressed, ramp
from tests.support.dicom.raw import EXPLICIT, RAMP, Header, film, fragments, written
from tests.unit.data.dicom.test_odd_films import read

JPEG_2000, RLE, BASELINE, EXTENDED = (f"1.2.840.10008.1.2.{end}" for end in ("4.90", "5", "4.50", "4.51"))
LOSSLESS, NATIVE_IN_FRAGMENTS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1.98"

SMOOTH = np.add.outer(np.arange(64) * 2, np.arange(64) * 2).astype(np.uint8)
COLOURS = np.stack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]], axis=-1)


def frame(syntax: str) -> bytes:
    """The ramp of 12 bits as one compressed frame."""
    made = compressed(RAMP, syntax, film())
    return fragments_of(made[made.rindex(b"\xfe\xff\x00\xe0\0\0\0\0") :]).found[0]


def jpeg(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def save(folder: Path, frames: list[bytes], syntax: str, header: Header, **options: Any) -> Path:
    data = ("OB", fragments(frames, **options))
    (folder / "film").write_bytes(written(header | {"PixelData": data}, syntax))
    return folder / "film"


@pytest.mark.parametrize("codec", [JPEG_LS, JPEG_2000, RLE])
@pytest.mark.parametrize("said", [JPEG_LS, JPEG_2000, RLE, BASELINE, LOSSLESS, EXPLICIT, "1.2.3.4"])
def test_a_frame_is_decoded_as_what_it_is(tmp_path: Path, codec: str, said: str) -> None:
    pixels, notes = read(save(tmp_path, [frame(codec)], said, film()))
    np.testing.assert_allclose(pixels, ramp, atol=1)
    assert ("is not in the transfer syntax that it names" in notes) == (codec != said)


@pytest.mark.parametrize("said", [EXPLICIT, NATIVE_IN_FRAGMENTS])
def test_plain_pixels_in_a_fragment(tmp_path: Path, said: str) -> None:
    pixels, notes = read(save(tmp_path, [RAMP.tobytes()], said, film()))
    np.testing.assert_allclose(pixels, ramp, atol=1)
    assert ("is not in the transfer syntax" in notes) == (said == EXPLICIT)


@pytest.mark.parametrize("said", [BASELINE, EXTENDED, LOSSLESS, JPEG_2000])
@pytest.mark.parametrize("header", [film(SMOOTH), film(SMOOTH, BitsAllocated=16, BitsStored=16, HighBit=15)])
def test_a_jpeg_of_8_bits_wherever_it_stands(tmp_path: Path, said: str, header: Header) -> None:
    pixels, _ = read(save(tmp_path, [jpeg(SMOOTH)], said, header))
    np.testing.assert_allclose(pixels, SMOOTH, atol=4)


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("options", [{}, {"keep_rgb": True}])
def test_a_jpeg_that_tells_its_colours_is_believed(tmp_path: Path, said: str, options: dict[str, Any]) -> None:
    header = film(SMOOTH, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation=said)
    pixels, notes = read(save(tmp_path, [jpeg(COLOURS, **options)], BASELINE, header))
    assert np.abs(pixels - COLOURS).mean() < 6
    assert ("has other colours than its header says" in notes) == ((said == "RGB") != bool(options))


def test_a_jpeg_of_three_colours_that_is_said_to_be_grey(tmp_path: Path) -> None:
    pixels, notes = read(save(tmp_path, [jpeg(COLOURS)], BASELINE, film(SMOOTH)))
    assert np.abs(pixels - COLOURS).mean() < 6
    assert "has other colours than its header says" in notes


def test_a_scan_that_states_no_coefficients_has_them_all(tmp_path: Path) -> None:
    whole = jpeg(SMOOTH)
    stream = read_codestream(whole)
    assert stream
    assert stream.scan
    place = stream.scan + 1 + 2 * whole[stream.scan]
    assert whole[place : place + 2] == b"\x00\x3f"
    pixels, notes = read(save(tmp_path, [whole[:place] + b"\0\0" + whole[place + 2 :]], EXTENDED, film(SMOOTH)))
    np.testing.assert_allclose(pixels, SMOOTH, atol=4)
    assert "its JPEG scan states parameters that its process forbids" in notes


def test_frames_without_and_with_a_wrong_offset_table(tmp_path: Path) -> None:
    one, two = frame(JPEG_LS), film(NumberOfFrames="2")
    for parts, offsets in (
        ([one, one], [0, 999999]),
        ([one[:500], one[500:], one[:800], one[800:]], []),
        ([one[:500], one[500:], one[:800], one[800:]], [0, 12345]),
    ):
        path = save(tmp_path, parts, JPEG_LS, two, offsets=offsets)
        assert np.abs(read(path)[0] - ramp).max() < 1


def test_more_frames_than_said(tmp_path: Path) -> None:
    one = frame(JPEG_LS)
    pixels, notes = read(save(tmp_path, [one[:500], one[500:], one], JPEG_LS, film()))
    np.testing.assert_allclose(pixels, ramp, atol=1)
    assert "holds more frames than NumberOfFrames (0028,0008) says" in notes


def test_colours_at_the_upper_end_of_a_word(tmp_path: Path) -> None:
    header = film(SMOOTH, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB", BitsAllocated=16)
    content = written(header | {"HighBit": 15, "PixelData": (COLOURS.astype("<u2") << 8).tobytes()})
    (tmp_path / "a").write_bytes(content)
    assert (read(tmp_path / "a")[0] == COLOURS).all()


def test_an_offset_table_where_frames_say_nothing_of_themselves() -> None:
    parts = [b"ab", b"cd", b"efgh", b"ij"]
    whole = fragments_of(fragments(parts, [0, 20]))
    assert [frame_of(whole, [], 2, number) for number in range(2)] == [b"abcd", b"efghij"]
    assert frame_of(fragments_of(fragments(parts)), [0, 20], 2, 1) == b"efghij"
    with pytest.raises(DataError, match="its 2 frames are in 4 fragments, and neither"):
        frame_of(fragments_of(fragments(parts, [0, 19])), [], 2, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-300], "its pixel data is truncated: the file ends within a compressed image"),
        (lambda data: data.replace(b"\xff\xf7", b"\xff\x00"), "is damaged, or in a format that no plug-in decodes"),
        (lambda data: fragments([]), "its pixel data holds no compressed image"),
    ],
)
def test_what_cannot_be_decoded_has_its_own_reason(tmp_path: Path, change: Any, reason: str) -> None:
    content = written(film() | {"PixelData": ("OB", fragments([frame(JPEG_LS)]))}, JPEG_LS)
    place = content.rindex(b"\xfe\xff\x00\xe0\0\0\0\0")
    (tmp_path / "a").write_bytes(content[:place] + change(content[place:]))
    with pytest.raises(DataError, match=reason):
        read(tmp_path / "a")


def test_a_size_that_is_not_the_headers_and_a_frame_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its compressed image has 64 x 64 pixels, but its header claims 32 x 64"):
        read(save(tmp_path, [jpeg(SMOOTH)], BASELINE, film(SMOOTH, Rows=32)))
    whole = fragments_of(fragments([b"ab"]))
    with pytest.raises(DataError, match="its pixel data has 1 of the 3 frames that its header claims"):
        frame_of(whole, [], 3, 1)


def test_signed_values_that_are_said_to_be_unsigned(tmp_path: Path) -> None:
    values = (RAMP.astype(int) - 2048).astype(np.int16)
    made = compressed(values, JPEG_2000, film(BitsStored=16, HighBit=15, WindowCenter="0"))
    (tmp_path / "a").write_bytes(made)
    pixels, notes = read(tmp_path / "a")
    np.testing.assert_allclose(pixels, ramp, atol=1)
    assert "its compressed image holds signed values, its header says unsigned" in notes
