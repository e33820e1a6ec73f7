"""What among DICOM files is no image, and was never meant to be one, is listed and is no failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset  # noqa: TID251

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.importing.report import describe_assumed
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.sources.open import open_source
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


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "it is no photograph (Segmentation Storage)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}, "it is no photograph (RT Dose Storage)"),
        ({"SOPClassUID": "1.3.12.2.1107.5.9.1"}, "it is no photograph (Siemens CSA Non-Image Storage)"),
        ({"SOPClassUID": "1.2.3.4", "Modality": "SEG"}, "it is no photograph (its Modality (0008,0060) is SEG)"),
    ],
)
def test_what_holds_pixels_and_is_no_photograph_does_not_count(
    tmp_path: Path, tags: dict[str, Any], reason: str
) -> None:
    fill(tmp_path / "set")
    save(tmp_path / "set" / "other", **tags)
    manifest, report = imported(tmp_path / "set", tmp_path / "out", max_rejected=0)
    assert len(manifest.studies) == 20
    assert (reason, False) in [(row["reason"], row["counts"]) for row in report["rejected"]]


def test_a_dicomdir_in_capitals_finds_files_in_lower_case(tmp_path: Path) -> None:
    disc = tmp_path / "set" / "images"
    for name in ("im_00", "im_01", "im_02.;1"):
        save(disc / name)
    index = dataset(SOPClassUID="1.2.840.10008.1.3.10", PixelData=None)
    index.DirectoryRecordSequence = []
    for name in ("IM_00", "IM_01", "IM_02"):
        record = Dataset()
        record.ReferencedFileID = ["IMAGES", name]
        index.DirectoryRecordSequence.append(record)
    save(tmp_path / "set" / "dicomdir", index)
    values = {"source": "dicom", "root": tmp_path / "set" / "dicomdir", "dicom": {"label_from": "none"}}
    source = open_source(DataConfig.model_validate(values))
    assert [item.origin for item in source.items] == ["file 1", "file 2", "file 3"]
    assert not source.rejected


def test_what_was_assumed_is_counted_said_and_kept_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 4000, (12, 10), dtype=np.uint16)
        window = {"WindowCenter": 40000, "WindowWidth": 400} if number < 3 else {}
        save(tmp_path / "set" / f"{number:02}", dataset(pixels, **window))
    values = {"source": "dicom", "root": tmp_path / "set", "size": 8, "dicom": {"label_from": "none"}}
    few = "many stored values became a handful of greys: look at the picture, and at its window"
    none = "no window in the header: percentiles 0.5 to 99.5 of the image"
    for out in ("first", "again"):
        cache = CacheFolder(tmp_path / "cache", 10**9)
        manifest = import_dataset(DataConfig.model_validate(values), 0, tmp_path / out, cache=cache)
        report = json.loads((tmp_path / out / "import-report.json").read_text())
        assert report["assumed"] == {none: 17, few: 3}
        assert report["files"]["file 1"]["assumed"] == [few]
        assert f"assumed of 3 files or images: {few}" in manifest.notes
        assert f"17: {none}" in describe_assumed(report["assumed"])
