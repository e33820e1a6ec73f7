"""What among DICOM files is no image, and was never meant to be one, is listed and is no failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest
from gan_aug.errors import DataError
from tests.support.dicom.samples import dataset, save

CT = "1.2.840.10008.5.1.4.1.1.2"
NO_IMAGES = {
    "DICOMDIR": ("1.2.840.10008.1.3.10", "a DICOMDIR, which only lists other files"),
    "plan": ("1.2.840.10008.5.1.4.1.1.481.5", "it holds no pixels (RT Plan Storage)"),
    "report": ("1.2.840.10008.5.1.4.1.1.88.33", "it holds no pixels (Comprehensive SR Storage)"),
    "state": ("1.2.840.10008.5.1.4.1.1.11.1", "it holds no pixels (Grayscale Softcopy Presentation State Storage)"),
    "structures": ("1.2.840.10008.5.1.4.1.1.481.3", "it holds no pixels (RT Structure Set Storage)"),
}


def fill(folder: Path, images: int = 20) -> None:
    for number in range(images):
        pixels = np.random.default_rng(number).integers(0, 4000, (12, 10), dtype=np.uint16)
        save(folder / f"image-{number:02}", dataset(pixels))
    for name, (kind, _) in NO_IMAGES.items():
        save(folder / name, SOPClassUID=kind, PixelData=None, Rows=None, Columns=None)


def imported(root: Path, out: Path, **fields: Any) -> tuple[Manifest, dict[str, Any]]:
    values = {"source": "dicom", "root": root, "size": 8, "dicom": {"label_from": "none"}} | fields
    manifest = import_dataset(DataConfig.model_validate(values), 0, out)
    return manifest, json.loads((out / "import-report.json").read_text())


def test_reports_plans_and_states_are_listed_and_not_counted(tmp_path: Path) -> None:
    fill(tmp_path / "set")
    manifest, report = imported(tmp_path / "set", tmp_path / "out", max_rejected=0)
    assert len(manifest.studies) == 20
    assert report["reasons"] == {reason: 1 for _, reason in NO_IMAGES.values()}
    assert {(row["reason"], row["counts"]) for row in report["rejected"]} == {(r, False) for _, r in NO_IMAGES.values()}
    assert "files or rows set aside, listed in import-report.json: 5" in manifest.notes


@pytest.mark.parametrize(
    ("name", "tags", "reason"),
    [
        ("header", {"SOPClassUID": CT}, r"it holds no pixels \(CT Image Storage\): it is only a header"),
        ("private", {"SOPClassUID": "1.2.3.4"}, "it holds no pixels"),
        ("nameless", {"SOPClassUID": ""}, "it holds no pixels"),
    ],
)
def test_an_image_without_pixels_and_what_nobody_knows_do_count(
    tmp_path: Path, name: str, tags: dict[str, Any], reason: str
) -> None:
    fill(tmp_path / "set")
    made = dataset(**tags, PixelData=None)
    made.file_meta.MediaStorageSOPClassUID = tags["SOPClassUID"] or "1.2.3.4"
    save(tmp_path / "set" / name, made)
    # Of the 21 files that might be images, not of the 26 that are there.
    with pytest.raises(DataError, match=rf"^1 of 21 files of dicom were set aside, all because {reason}"):
        imported(tmp_path / "set", tmp_path / "out", max_rejected=0.04)
    assert len(imported(tmp_path / "set", tmp_path / "out", max_rejected=0.05)[0].studies) == 20


def test_a_folder_of_nothing_but_reports_has_no_images(tmp_path: Path) -> None:
    fill(tmp_path / "set", images=0)
    with pytest.raises(DataError, match="dicom has no images: check data.root and data.source"):
        imported(tmp_path / "set", tmp_path / "out")
