"""Headers whose letter makes no picture: what is shown instead, what is said of it, and what is set aside for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gan_aug.config.data import DicomConfig
from gan_aug.data.assumptions import Assumed, collected, in_words
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.header import read_header
from gan_aug.data.dicom.pixels import read_frame
from gan_aug.data.patients import IdentityKey
from gan_aug.errors import DataError
from tests.support.dicom.odd_films import ODD_FILMS, OddFilm


def read(path: Path, **config: Any) -> tuple[NDArray[Any], str]:
    """The first frame as grey values or colours from 0 to 255, and all that was assumed."""
    file, settings = DicomFile(1, path, path.name), DicomConfig(**config)
    header = read_header(file, settings, IdentityKey(bytes(32)))
    with collected() as flags:
        pixels = read_frame(file, 0, settings)
    found = in_words(Assumed(int(np.bitwise_or.reduce([0, *flags]))))
    return pixels / (np.iinfo(pixels.dtype).max / 255), "; ".join((*header.assumed, *found))


def check(path: Path, film: OddFilm) -> None:
    if film.picture is None:
        with pytest.raises(DataError) as caught:
            read(path)
        assert film.said in str(caught.value)
        return
    pixels, said = read(path)
    assert pixels.shape == film.picture.shape
    np.testing.assert_allclose(pixels, film.picture, atol=film.within)
    assert film.said in said
    assert "handful" not in said


@pytest.mark.parametrize("name", ODD_FILMS)
def test_an_odd_film_is_the_picture_it_was_meant_to_be(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(ODD_FILMS[name].make())
    check(tmp_path / name, ODD_FILMS[name])


@pytest.mark.data
@pytest.mark.parametrize("name", ODD_FILMS)
def test_a_film_that_was_made_elsewhere_too(data_root: Path, name: str) -> None:
    path = data_root.parent / "cases" / f"{name}.dcm"
    if not path.is_file():
        pytest.skip("there is no such file beside the data root")
    check(path, ODD_FILMS[name])
