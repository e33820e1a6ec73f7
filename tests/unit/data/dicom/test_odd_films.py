"""Headers whose letter makes no picture: what is shown instead, what is said of it, and what is set aside for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gan_aug.config.data import DicomConfig
from gan_aug.data.assumptions import collected
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.header import read_header
from gan_aug.data.dicom.pixels import read_frame
from gan_aug.data.patients import IdentityKey
from gan_aug.errors import DataError
from tests.support.dicom.odd_films import ODD_FILMS, OddFilm
from tests.support.dicom.raw import BIG, EXPLICIT, IMPLICIT, film, written


def read(path: Path, **config: Any) -> tuple[NDArray[Any], str]:
    """The first frame as grey values or colours from 0 to 255, and all that was assumed."""
    file, settings = DicomFile(1, path, path.name), DicomConfig(**config)
    header = read_header(file, settings, IdentityKey(bytes(32)))
    with collected() as found:
        pixels = read_frame(file, 0, settings)
    return pixels / (np.iinfo(pixels.dtype).max / 255), "; ".join((*header.assumed, *found.in_words()))


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
def test_films_that_were_made_elsewhere_too(data_root: Path) -> None:
    found = [path for path in (data_root.parent / "cases").glob("*.dcm") if path.stem in ODD_FILMS]
    if not found:
        pytest.skip("there is no folder of odd films beside the data root")
    for path in found:
        check(path, ODD_FILMS[path.stem])


def test_a_window_that_leaves_nothing_to_see_is_obeyed_and_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(written(film(WindowCenter="40000", WindowWidth="400")))
    pixels, said = read(tmp_path / "a")
    assert not pixels.any()
    assert "many stored values became a handful of greys" in said


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ({"PixelSpacing": "2\\1"}, (64, 64)),
        ({"ImagerPixelSpacing": "2\\1"}, (64, 64)),
        ({"PixelAspectRatio": "2\\1"}, (64, 64)),
        ({"PixelAspectRatio": "1\\2", "PixelSpacing": "2\\1"}, (64, 64)),  # the aspect ratio counts without distances
        ({"PixelAspectRatio": "1\\2"}, (32, 128)),
        ({"PixelSpacing": "1\\1.005"}, (32, 64)),
    ],
)
def test_a_disc_is_round(tmp_path: Path, header: dict[str, str], shape: tuple[int, int]) -> None:
    height, width = shape
    down, across = (np.arange(32) + 0.5) / 32 - 0.5, (np.arange(64) + 0.5) / 64 - 0.5
    disc = (np.hypot.outer(down, across) < 0.4).astype(np.uint8) * 255
    (tmp_path / "a").write_bytes(written(film(disc, **header)))
    pixels, said = read(tmp_path / "a")
    down, across = (np.arange(height) + 0.5) / height - 0.5, (np.arange(width) + 0.5) / width - 0.5
    assert pixels.shape == shape
    assert np.abs(pixels - (np.hypot.outer(down, across) < 0.4) * 255.0).mean() < 8
    assert ("resampled to square pixels" in said) == (shape != (32, 64))


def test_random_headers_by_the_formulas_of_the_standard(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        stored, signed = int(rng.integers(6, 17)), bool(rng.integers(2))
        high = int(rng.integers(stored - 1, 16))
        low = -(1 << (stored - 1)) if signed else 0
        values = np.linspace(low, low + (1 << stored) - 1, 4096).astype(int).reshape(64, 64)
        cells = ((values & ((1 << stored) - 1)) << (high + 1 - stored)).astype(np.uint16)
        slope, intercept = rng.choice([1, 2, 0.5, -1, 3.25]), rng.choice([0, -1024, 10.5])
        units = values * slope + intercept
        center, width = rng.uniform(units.min(), units.max()), rng.uniform(0.1, 1.2) * (units.max() - units.min())
        center, width = float(f"{center:.6g}"), float(f"{max(width, 2):.6g}")
        function = str(rng.choice(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
        photometric, syntax = f"MONOCHROME{rng.integers(1, 3)}", str(rng.choice([IMPLICIT, EXPLICIT, BIG]))
        header = film(
            cells, BitsStored=stored, HighBit=high, PixelRepresentation=int(signed), RescaleSlope=f"{slope}",
            RescaleIntercept=f"{intercept}", WindowCenter=f"{center:.6g}", WindowWidth=f"{width:.6g}",
            VOILUTFunction=function, PhotometricInterpretation=photometric,
            PixelData=cells.astype(">u2" if syntax == BIG else "<u2").tobytes(),
        )  # fmt: skip
        (tmp_path / f"{number}").write_bytes(written(header, syntax))
        share = {
            "LINEAR": (units - center + 0.5) / (width - 1) + 0.5,
            "LINEAR_EXACT": (units - center) / width + 0.5,
            "SIGMOID": 1 / (1 + np.exp(-4 * (units - center) / width)),
        }[function]
        expected = np.clip(share, 0, 1) if photometric == "MONOCHROME2" else 1 - np.clip(share, 0, 1)
        np.testing.assert_allclose(read(tmp_path / f"{number}")[0], expected * 255, atol=0.01, err_msg=f"{header}")
