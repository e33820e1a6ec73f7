"""Decoding: every way a file can hold an image, and every way it can be broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.reading.decode import decode
from gan_aug.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (6, 4), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, (6, 4), dtype=np.uint16)


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_grey_and_colour_come_back_as_written(tmp_path: Path, ending: str) -> None:
    for pixels in (GREY, COLOUR):
        Image.fromarray(pixels).save(tmp_path / f"x.{ending}")
        assert np.array_equal(decode(tmp_path / f"x.{ending}"), pixels)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_come_back_whole(tmp_path: Path, ending: str) -> None:
    Image.fromarray(DEEP).save(tmp_path / f"x.{ending}")
    found = decode(tmp_path / f"x.{ending}")
    assert found.dtype == np.uint16
    assert np.array_equal(found, DEEP)


def test_alpha_is_dropped_and_palettes_are_expanded(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR)
    image.putalpha(7)
    image.save(tmp_path / "alpha.png")
    assert np.array_equal(decode(tmp_path / "alpha.png"), COLOUR)
    Image.fromarray(GREY).convert("LA").save(tmp_path / "la.png")
    assert np.array_equal(decode(tmp_path / "la.png"), GREY)
    palette = Image.fromarray(COLOUR).quantize(24)
    palette.save(tmp_path / "p.png", transparency=b"\0" * 24)
    assert np.array_equal(decode(tmp_path / "p.png"), np.asarray(palette.convert("RGB")))
    Image.fromarray(GREY > 99).save(tmp_path / "bits.png")
    assert np.array_equal(decode(tmp_path / "bits.png"), (GREY > 99) * np.uint8(255))


def test_the_cameras_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(decode(tmp_path / "x.png"), np.rot90(GREY, -1))


def test_broken_files_are_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    assert reason(path) == "there is no such file"
    path.write_bytes(b"")
    assert reason(path) == "the file is empty"
    path.write_text("hello")
    assert reason(path) == "not an image that can be decoded"
    pages = [Image.fromarray(GREY)] * 2
    pages[0].save(tmp_path / "z.tif", save_all=True, append_images=pages[1:])
    assert reason(tmp_path / "z.tif") == "it holds 2 pages, not one image: say which with data.slices.index"
    Image.fromarray(GREY).save(path)
    for limit in (10, 20):  # an error and a warning of Pillow's
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert reason(path) == "the image has too many pixels to be opened safely"


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "webp", "jp2", "ppm", "gif"])
def test_a_file_cut_or_altered_anywhere_never_crashes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(np.tile(COLOUR, (4, 4, 1))).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(80):
        torn = bytearray(whole[: rng.integers(1, len(whole))] if number % 2 else whole)
        for place in rng.integers(0, len(torn), 3):
            torn[place] = rng.integers(0, 256)
        path.write_bytes(torn)
        try:
            decode(path)
        except DataError:
            continue


def reason(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        decode(path)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)
