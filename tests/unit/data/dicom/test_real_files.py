"""Every real DICOM file: read as pydicom reads it, or set aside with its reason."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread  # noqa: TID251
from pydicom.pixels import convert_color_space  # noqa: TID251

from gan_aug.config.data import DataConfig, DicomConfig
from gan_aug.data.dicom.attributes import PIXEL_KEYWORDS, tags
from gan_aug.data.dicom.dataset import open_file
from gan_aug.data.dicom.decode import PixelSource
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.sources.open import open_source
from gan_aug.errors import DataError


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_real_file_is_read_or_set_aside(data_root: Path) -> None:
    root = data_root / "dicom"
    with (root / "index.csv").open(newline="") as file:
        index = list(csv.DictReader(file))
    names = sorted([row["file"] for row in index] + ["index.csv", "MANIFEST.md5", "SOURCE.txt"])
    values = {"label_from": "none", "allow": ["burned-in", "ultrasound"]}
    source = open_source(DataConfig.model_validate({"source": "dicom", "root": root, "dicom": values}))
    numbers = {name: f"file {number}" for number, name in enumerate(names, 1)}
    read = {}
    for item in source.items:
        read.setdefault(item.origin.split(" frame")[0], []).append(item)
    aside = {one.origin: one.reason for one in source.rejected}
    for row in index:
        items = read.get(numbers[row["file"]], [])
        reason = aside.get(numbers[row["file"]], "")
        if row["decode"] == "ok" and not reason.startswith("it is no photograph"):
            assert items, (row["file"], reason)
            _same_as_pydicom(root / row["file"], items)
        elif items:  # pydicom alone does not read it
            with contextlib.suppress(DataError):
                assert items[0].read().ndim in (2, 3)
        else:
            assert len(reason) > 10


def _same_as_pydicom(path: Path, items: list[Any]) -> None:
    made = dcmread(path, force=True)
    whole = made.pixel_array
    config = DicomConfig(allow=("burned-in", "ultrasound"))
    source = PixelSource.of(
        open_file(DicomFile(1, path, path.name), config, tags(PIXEL_KEYWORDS), pixels=True), config.max_pixels
    )
    for frame in {0, len(items) - 1}:
        values, bits = source.frame(frame)
        expected = (whole[frame] if len(items) > 1 else whole).reshape(values.shape)
        if path.parts[-4:-1] == ("ljdata", "ds", "JPEGBaseline") and path.name == "SC_rgb_jpeg_lossy_gdcm.dcm":
            expected = convert_color_space(expected, "YBR_FULL", "RGB")  # its header says RGB, and is wrong
        if path.name == "TOSHIBA_J2K_SIZ1_PixRep0.dcm":
            expected = expected.astype(np.int16)  # its header says unsigned, and is wrong
        assert np.array_equal(values, expected, equal_nan=whole.dtype.kind == "f"), path.name
        assert bits <= made.BitsAllocated
        assert items[frame].read().ndim in (2, 3)
