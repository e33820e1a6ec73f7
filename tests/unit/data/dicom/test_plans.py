"""A file whose header was read is decoded without reading it again: the same pixels, the same assumptions."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset  # noqa: TID251 - headers made for the test
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian  # noqa: TID251

from gan_aug.config.data import DicomConfig
from gan_aug.data.assumptions import Assumed, collected
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.header import Header, read_header
from gan_aug.data.dicom.header_reader import _parsed
from gan_aug.data.dicom.pixels import read_frame
from gan_aug.data.patients import IdentityKey
from tests.support.dicom.samples import dataset, save

RAMP = np.arange(64 * 48).reshape(64, 48)
STORED: dict[str, tuple[Any, dict[str, Any]]] = {
    "8 bit": ((RAMP // 12).astype("u1"), {}),
    "signed 8 bit": ((RAMP // 12 - 128).astype("i1"), {}),
    "16 bit": ((RAMP * 21).astype("<u2"), {}),
    "signed 16 bit": ((RAMP * 10 - 9000).astype("<i2"), {}),
    "12 of 16 bit": (RAMP.astype("<u2"), {"BitsStored": 12, "HighBit": 11}),
    "signed 12 of 16 bit": ((RAMP - 1500).astype("<i2"), {"BitsStored": 12, "HighBit": 11}),
    "12 bit on top": ((RAMP << 4).astype("<u2"), {"BitsStored": 12, "HighBit": 15}),
    "an overlay above 12 bit": ((RAMP | (RAMP % 7 == 0) * 0x8000).astype("<u2"), {"BitsStored": 12, "HighBit": 11}),
    "constant": (np.full((64, 48), 700, "<u2"), {}),
    "few values": ((RAMP % 3 * 900).astype("<u2"), {}),
}
SHOWN: tuple[dict[str, Any], ...] = (
    {},
    {"PhotometricInterpretation": "MONOCHROME1"},
    {"RescaleSlope": -2.5, "RescaleIntercept": 7},
    {"WindowCenter": 900, "WindowWidth": 1300},
    {"WindowCenter": [1, 2000], "WindowWidth": [0, 300], "PhotometricInterpretation": "MONOCHROME1"},
    {"WindowCenter": 900, "WindowWidth": 700, "VOILUTFunction": "SIGMOID"},
    {"WindowCenter": 0.5, "WindowWidth": 0.9, "RescaleSlope": "0.0003", "RescaleIntercept": 0},
    {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 300},
    {"PixelSpacing": [0.4, 0.2]},
    {"PixelAspectRatio": [1, 2], "WindowCenter": 3, "WindowWidth": 1},
)
CONFIGS = (DicomConfig(), DicomConfig(window="percentile", crop="border"))


def header_of(path: Path, config: DicomConfig) -> tuple[DicomFile, Header]:
    file = DicomFile(1, path, path.name)
    return file, read_header(file, config, IdentityKey.random())


def read(file: DicomFile, config: DicomConfig) -> tuple[Any, Assumed]:
    with collected() as assumed:
        pixels = read_frame(file, 0, config)
    return pixels, assumed.flags


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pixels_and_assumptions_are_the_same(stored: str, tmp_path: Path) -> None:
    values, tags = STORED[stored]
    for number, (shown, config) in enumerate(product(SHOWN, CONFIGS)):
        made = dataset(values, **tags, **shown)
        if number % 3 == 0:
            made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        file, header = header_of(save(tmp_path / f"{number}", made), config)
        again = _parsed(json.dumps(asdict(header)), file)
        assert json.dumps(asdict(again)) == json.dumps(asdict(header))
        assert header.plan
        expected, assumed = read(file, config)
        pixels, found = read(replace(file, plan=header.plan), config)
        assert pixels.dtype == expected.dtype
        assert np.array_equal(pixels, expected)
        assert found == assumed


def test_a_file_that_has_changed_since_is_read_again(tmp_path: Path) -> None:
    path, config = save(tmp_path / "film", pixels=STORED["16 bit"][0]), CONFIGS[0]
    file, header = header_of(path, config)
    save(path, pixels=STORED["8 bit"][0], PatientComments="longer than before")
    pixels, _ = read(replace(file, plan=header.plan), config)
    assert np.array_equal(pixels, read(file, config)[0])
    status = path.stat()
    content = path.read_bytes()
    file, header = header_of(path, config)
    path.write_bytes(content[:-100])  # cut, and dated back
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(Exception, match="truncated"):
        read(replace(file, plan=header.plan), config)


@pytest.mark.parametrize(
    "made",
    [
        dataset(np.zeros((8, 8, 3), "u1")),
        dataset(np.zeros((2, 8, 8), "u1"), NumberOfFrames=2),
        dataset((RAMP * 21).astype(">u2")),
        dataset(np.zeros((8, 8), "<u4")),
    ],
    ids=["colour", "frames", "big endian", "32 bit"],
)
def test_others_have_no_plan(made: Dataset, tmp_path: Path) -> None:
    if made.Rows == 64:
        made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert header_of(save(tmp_path / "film", made), CONFIGS[0])[1].plan is None


def test_tables_have_no_plan(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 16], [0, 100, 200, 300]
    for name in ("VOILUTSequence", "ModalityLUTSequence"):
        made = dataset((RAMP % 4).astype("u1"), **{name: [table]})
        for element in (table["LUTDescriptor"], table["LUTData"]):
            element.VR = "US"
        assert header_of(save(tmp_path / name, made), CONFIGS[0])[1].plan is None
