"""What DICOM images are called, by tables and tags; which files a DICOMDIR means; what the cache gives again."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread  # noqa: TID251
from pydicom.uid import JPEGLSLossless, generate_uid  # noqa: TID251

from gan_aug.config.data import DataConfig
from gan_aug.data.dicom import header as dicom_header
from gan_aug.data.dicom import header_reader
from gan_aug.data.dicom import pixels as dicom_pixels
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.items import Source
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.sources.open import open_source
from tests.support.dicom.samples import dataset, save

KEYS = ("SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID", "file")


def opened(root: Path, **fields: Any) -> Source:
    return open_source(DataConfig.model_validate({"source": "dicom", "root": root} | fields))


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def films(root: Path, count: int = 6) -> dict[str, dict[str, str]]:
    """Films in `root`; per file what a table may name it by."""
    keys = {}
    for number in range(count):
        made = dataset(AccessionNumber=f"A{number}", PatientID=f"P{number}")
        name = f"part-{number % 2}/{number}.dcm"
        save(root / name, made)
        keys[name] = {key: name if key == "file" else str(made[key].value) for key in KEYS}
    return keys


def said(source: Source) -> dict[str, tuple[str, ...]]:
    """The labels per file; files count from 1 in the order of their names."""
    return {item.origin: item.labels for item in source.items}


# Tables


@pytest.mark.parametrize("key", KEYS)
def test_several_labels_a_column_each(tmp_path: Path, key: str) -> None:
    keys = sorted(films(tmp_path / "set").items())
    marks = ["11", "01", "00", "1?", "10"]  # and the sixth has no row
    rows = [
        {"who": names[key], "effusion": mark[0], "nodule": mark[1]}
        for (_, names), mark in zip(keys, marks, strict=False)
    ]
    fields = {"table": table(tmp_path / "t.csv", rows), "dicom": {"label_key": key}}
    source = opened(tmp_path / "set", **fields, columns={"file": "who", "label": ["effusion", "nodule"]})
    assert (source.task, source.labels) == ("multi-label", ("effusion", "nodule"))
    assert said(source) == {
        "file 1": ("effusion", "nodule"),
        "file 2": ("nodule",),
        "file 3": (),
        "file 5": ("effusion",),
    }
    assert {one.origin: one.reason for one in source.rejected} == {
        "file 4": "its label column 'nodule' is neither 0 nor 1",
        "file 6": f"it has no label: the table has no row for its {key}",
    }
    assert all(one.counts for one in source.rejected)


def test_several_labels_in_a_cell_and_a_multi_label_import(tmp_path: Path) -> None:
    rows = []
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 4096, (12, 10), dtype=np.uint16)
        save(tmp_path / "set" / f"{number:02}", dataset(pixels))
        cell = ["effusion|nodule", "nodule", "No Finding", "effusion"][number % 4]
        rows.append({"file": f"{number:02}", "label": cell})
    config = {"table": table(tmp_path / "t.csv", rows), "label_separator": "|", "dicom": {"label_key": "file"}}
    values = {"source": "dicom", "root": tmp_path / "set", "size": 8} | config
    manifest = import_dataset(DataConfig.model_validate(values), 0, tmp_path / "out")
    assert (manifest.task, manifest.labels) == ("multi-label", ("effusion", "nodule"))
    assert [study.labels for study in manifest.studies] == [(0, 1), (1,), (), (0,)] * 10


def test_a_label_that_is_missing_or_said_twice(tmp_path: Path) -> None:
    keys = films(tmp_path / "set", 4)
    labels = dict(zip(sorted(keys), ["sick", "", "well", "well"], strict=True))
    rows = [{"file": name, "label": label} for name, label in labels.items()]
    third, fourth = sorted(keys)[2:]
    rows += [{"file": third, "label": "well"}, {"file": fourth, "label": "sick"}]
    source = opened(tmp_path / "set", table=table(tmp_path / "t.csv", rows), dicom={"label_key": "file"})
    assert said(source) == {"file 1": ("sick",), "file 3": ("well",)}
    assert {one.origin: one.reason for one in source.rejected} == {
        "file 2": "it has no label",
        "file 4": "the table has rows that differ for its file",
    }


def test_the_tables_patient_and_split_go_before_the_headers(tmp_path: Path) -> None:
    keys = films(tmp_path / "set", 4)
    rows = [
        {"file": name, "label": "a", "who": f"T{number // 2}", "split": split}
        for (number, name), split in zip(enumerate(sorted(keys)), ["train", "val", "test", "tset"], strict=True)
    ]
    columns = {"patient": "who", "split": "split"}
    fields = {"table": table(tmp_path / "t.csv", rows), "columns": columns, "dicom": {"label_key": "file"}}
    source = opened(tmp_path / "set", **fields)
    assert [item.split for item in source.items] == ["train", "validation", "test"]
    assert source.items[0].patient == source.items[1].patient != source.items[2].patient
    assert source.rejected[0].reason == "its split is not train, validation or test"


# Tags


@pytest.mark.parametrize(
    ("keyword", "values", "labels"),
    [
        ("BodyPartExamined", ["HIP", "KNEE", None], ["HIP", "KNEE", None]),
        ("Laterality", ["L", "R", ""], ["L", "R", None]),
        ("SeriesNumber", [2, 10, 0], ["2", "10", "0"]),
        ("ImageType", [["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY"], None], ["ORIGINAL/PRIMARY", "DERIVED/PRIMARY", None]),  # noqa: E501
        ("PatientSex", ["F", " M", "O "], ["F", "M", "O"]),
    ],
)  # fmt: skip
def test_labels_from_a_tag(tmp_path: Path, keyword: str, values: list[Any], labels: list[str | None]) -> None:
    for number, value in enumerate(values):
        save(tmp_path / str(number), **({} if value is None else {keyword: value}))
    source = opened(tmp_path, dicom={"label_from": keyword})
    known = {f"file {number}": (label,) for number, label in enumerate(labels, 1) if label is not None}
    assert said(source) == known
    assert [one.reason for one in source.rejected] == [f"it has no label: its {keyword} is empty"] * labels.count(None)


# DICOMDIR


def test_a_dicomdir_names_the_files_that_count(tmp_path: Path) -> None:
    records = {"PatientName": "A^B", "StudyDate": "20240101", "StudyTime": "1200", "StudyID": "1", "SeriesNumber": 1}
    for number in range(3):
        pixels = np.full((12, 10), number, np.uint16)
        own = {"AccessionNumber": "", "SeriesInstanceUID": generate_uid(), "InstanceNumber": number}
        save(tmp_path / "in" / str(number), dataset(pixels, **records, **own))
    # In a process of its own, as a file set leaves temporary folders to the garbage collector, which warns.
    code = (
        "import sys; from pathlib import Path; from pydicom.fileset import FileSet; made = FileSet();"
        "[made.add(path) for path in Path(sys.argv[1]).iterdir()]; made.write(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "in", tmp_path / "disc"], check=True, capture_output=True)
    save(tmp_path / "disc" / "beside.dcm")  # no record names it
    index = dcmread(tmp_path / "disc" / "DICOMDIR").DirectoryRecordSequence
    ids = [one.ReferencedFileID for one in index if "ReferencedFileID" in one]
    names = sorted(str(tmp_path.joinpath("disc", *one)) for one in ids)
    assert len(names) == 3
    one = {"dicom": {"label_from": "none"}}
    by_index = opened(tmp_path / "disc" / "DICOMDIR", **one)
    assert [str(item.file) for item in by_index.items] == names
    assert len(opened(tmp_path / "disc", **one).items) == 4
    Path(names[1]).unlink()
    gone = opened(tmp_path / "disc" / "DICOMDIR", **one)
    assert [(item.origin, item.reason) for item in gone.rejected] == [
        ("file 2", "there is no such file, although it is listed")
    ]


# The cache


def test_films_imported_again_are_the_same_bytes_and_nothing_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 4096, (3, 40, 36), dtype=np.uint16)
        made = dataset(pixels if number == 0 else pixels[0], **({"NumberOfFrames": 3} if number == 0 else {}))
        if number % 3 == 0:
            made.compress(JPEGLSLossless)
        save(tmp_path / "set" / f"{number:02}", made)
    config = DataConfig.model_validate(
        {"source": "dicom", "root": tmp_path / "set", "size": 16, "dicom": {"label_from": "none"}}
    )
    cache = CacheFolder(tmp_path / "cache", 10**9)
    first = import_dataset(config, 0, tmp_path / "first", cache=cache)
    assert len(first.studies) == 26

    def never(*_: Any) -> Any:
        raise AssertionError("a file that did not change was opened again")

    monkeypatch.setattr(dicom_pixels, "open_file", never)
    monkeypatch.setattr(dicom_header, "open_file", never)
    monkeypatch.setattr(header_reader, "read_header", never)
    dicom_pixels._loaded.cache_clear()
    again = import_dataset(config, 0, tmp_path / "again", cache=CacheFolder(tmp_path / "cache", 10**9))
    assert again.fingerprint == first.fingerprint
    assert (tmp_path / "again" / "images.npy").read_bytes() == (tmp_path / "first" / "images.npy").read_bytes()

    monkeypatch.undo()
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)
    touched = tmp_path / "set" / "05"
    shutil.copy(tmp_path / "set" / "06", touched)
    os.utime(touched)
    changed = import_dataset(config, 0, tmp_path / "changed", cache=CacheFolder(tmp_path / "cache", 10**9))
    by_file = [{study.origin: study.content for study in one.studies} for one in (first, changed)]
    assert {origin for origin in by_file[0] if by_file[0][origin] != by_file[1].get(origin)} == {"file 6"}
