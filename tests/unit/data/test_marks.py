"""The mark of synthetic images: read as other programs read it, equal for equal images, and never on a real one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.pictures.marks import marked
from gan_aug.data.pictures.png import png, png_grid
from gan_aug.data.pictures.sheet import captioned_sheet
from tests.support.reads_marks import made_from, png_texts

FACTS = {"checkpoint": "c" * 64, "seed": 7, "number": 12, "labels": ["Krankheit ß", "a\0b"]}


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 20, 33), (1, 224, 96), (3, 1, 5)])
def test_any_image_is_marked_and_its_pixels_are_the_same(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    content = png(image, made_from=FACTS)
    assert made_from(content) == FACTS
    plain = image[0] if shape[0] == 1 else image.transpose(1, 2, 0)
    np.testing.assert_array_equal(pixels(content), plain)
    np.testing.assert_array_equal(pixels(png(image, 3)), plain.repeat(3, axis=0).repeat(3, axis=1))
    assert content == png(image.copy(), made_from=dict(FACTS))


def test_a_view_is_written_as_its_copy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 9, 7), dtype=np.uint8)
    view = images[::2, ::-1, :, ::-1][1]
    assert png(view) == png(view.copy())


def test_grids_and_sheets_are_marked_and_real_ones_are_not() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 16), dtype=np.uint8)
    assert made_from(png_grid([images], FACTS)) == FACTS
    sheet = captioned_sheet(images, [["a"], ["b"], ["c"]], "three", FACTS)
    assert made_from(sheet) == FACTS
    assert made_from(png(images[0])) is None
    assert made_from(png_grid([images])) is None
    assert png_texts(png_grid([images])) == {}


def test_what_an_older_version_drew_is_marked_once() -> None:
    image = np.zeros((1, 8, 8), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image[0]).save(buffer, "PNG")
    once = marked(buffer.getvalue(), FACTS)
    assert made_from(once) == FACTS
    assert marked(once, {}) == once
    np.testing.assert_array_equal(pixels(once), image[0])
