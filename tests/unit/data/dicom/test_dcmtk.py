"""Pictures against those of dcmtk, an independent reading, where its `dcmj2pnm` is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan_aug.errors import DataError
from tests.support.dicom.odd_films import ODD_FILMS
from tests.unit.data.dicom.test_odd_films import read

pytestmark = pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="dcmtk is not installed")

ALIKE = (
    "frames_1A", "frames_more_than_said", "function_unknown", "high_bit_13_of_12", "high_bit_15_of_12",
    "high_bit_absent", "no_file_meta_explicit", "no_file_meta_implicit", "no_samples_per_pixel", "palette_big_endian",
    "palette_little_endian", "photometric_lower_case", "preamble_without_meta", "rubbish_above_the_bits",
    "second_window_is_valid", "slope_two_values", "slope_zero", "three_samples_for_grey", "unit_behind_a_number",
    "unknown_syntax_plain", "voi_table_8_bit", "voi_table_first_unsigned",
)  # fmt: skip
"""The odd films that dcmtk reads as they were meant, too."""


def by_dcmtk(path: Path, out: Path, *window: str) -> NDArray[Any] | None:
    command = ["dcmj2pnm", "-q", "+F", "1", *window, str(path), str(out)]
    done = subprocess.run(command, capture_output=True, check=False)
    return np.asarray(Image.open(out)).astype(float) if done.returncode == 0 else None


@pytest.mark.parametrize("name", ALIKE)
def test_odd_films(tmp_path: Path, name: str) -> None:
    (tmp_path / "film").write_bytes(ODD_FILMS[name].make())
    found = None
    for window in (("+Wi", "1"), ("+Wl", "1"), ()):
        found = by_dcmtk(tmp_path / "film", tmp_path / "out", *window) if found is None else found
    assert found is not None
    np.testing.assert_allclose(read(tmp_path / "film")[0], found, atol=2)


@pytest.mark.data
@pytest.mark.slow
def test_real_files_of_one_window(data_root: Path, tmp_path: Path) -> None:
    compared = 0
    for path in sorted((data_root / "dicom").rglob("*.dcm")):
        found = by_dcmtk(path, tmp_path / "out", "+Wi", "1") if path.stat().st_size < 2**20 else None
        # It draws overlays into the picture.
        if found is None or "verlay" in path.name:
            continue
        try:
            pixels, said = read(path, allow=("burned-in", "ultrasound"))
        except DataError as error:
            assert "photograph" in str(error)  # noqa: PT017
            continue
        if "square pixels" not in said:
            compared += 1
            away = np.abs(pixels - found)
            # Lossy codecs may differ by one stored value, which is more than one grey level.
            assert away.mean() < 0.5, path.name
            assert (away > 3).mean() < 0.02, path.name
    assert compared > 25
