"""Predicting for folders: every readable file at any depth, bad ones named and passed over, a table, unlike images."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_aug
from gan_aug.data.sources.new_images import find_new_images
from gan_aug.errors import DataError, StorageError
from gan_aug.stages import predict
from tests.support.command_line import call
from tests.support.dicom.samples import dataset, save
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"


@pytest.fixture
def run(tmp_path: Path) -> gan_aug.Run:
    return gan_aug.open(shutil.copytree(OLD, tmp_path / "run"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Digits at two depths, an inverted one, noise, a DICOM file without an ending, bad files, and others."""
    images, root = np.load(OLD / "dataset/images.npy"), tmp_path / "new"
    (root / "deep/er").mkdir(parents=True)
    for row in range(3):
        Image.fromarray(images[row, 0]).save(root / f"digit {row}.png")
    Image.fromarray(images[3, 0]).save(root / "deep/er/digit 10.PNG")
    Image.fromarray(255 - images[0, 0]).save(root / "deep/inverted.bmp")
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(noise).save(root / "noise.png")
    save(root / "deep/film", dataset(noise))
    (root / "bad.png").write_bytes(b"hello")
    (root / "deep/empty.jpg").write_bytes(b"")
    for name in ("notes.txt", ".hidden.png", "Thumbs.db"):
        (root / name).write_bytes(b"x")
    (root / "deep/loop").symlink_to(root)
    return root


def test_a_folder_is_read_at_any_depth_and_bad_files_stop_nothing(
    run: gan_aug.Run, folder: Path, tmp_path: Path
) -> None:
    rows = run.predict([folder], table=tmp_path / "out.csv", picture=tmp_path / "sheet.png")
    assert [row.file.relative_to(folder).as_posix() for row in rows] == [
        "bad.png",
        "deep/empty.jpg",
        "deep/er/digit 10.PNG",
        "deep/film",
        "deep/inverted.bmp",
        "digit 0.png",
        "digit 1.png",
        "digit 2.png",
        "noise.png",
    ]
    told = {row.file.name: row for row in rows}
    assert [row.file.name for row in rows.failed] == ["bad.png", "empty.jpg"]
    assert "bad.png cannot be read (not an image that can be decoded)" in str(told["bad.png"].error)
    assert told["bad.png"].probabilities == {}
    assert {name for name, row in told.items() if row.unlike} == {"film", "inverted.bmp", "noise.png"}
    assert rows.passed_over == 1  # the notes; hidden files and a system's own do not count
    assert rows.likeness is not None
    assert rows.likeness.describe().startswith(
        "beyond the limit lies at most 4.8 % of images like the validation images"
    )

    with (tmp_path / "out.csv").open(newline="") as file:
        table = {Path(row["file"]).name: row for row in csv.DictReader(file)}
    assert list(table) == [row.file.name for row in rows]
    for name, row in told.items():
        assert table[name]["label"] == "|".join(row.labels)
        assert table[name]["unlike"] == {True: "yes", False: "no", None: ""}[row.unlike]
        for label, probability in row.probabilities.items():
            assert float(table[name][f"probability of {label}"]) == pytest.approx(probability, rel=1e-5)
    assert table["bad.png"]["error"] == told["bad.png"].error
    assert (tmp_path / "sheet.png").exists()


def test_the_command_line_names_bad_files_and_ends_with_their_code(
    run: gan_aug.Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "predict", run.folder, folder, "--csv", tmp_path / "out.csv") == DataError.exit_code
    said = capsys.readouterr()
    assert "noise.png: " in said.out
    assert "UNLIKE the training images: " in said.out
    assert "3 of 7 images are unlike the training images: beyond the limit lies at most 4.8 %" in said.out
    assert f"table in {tmp_path / 'out.csv'}" in said.out
    assert "bad.png cannot be read (not an image that can be decoded)" in said.err
    assert "2 files could not be read, which are named above; the others are labelled" in said.err
    (folder / "bad.png").unlink()
    (folder / "deep/empty.jpg").unlink()
    assert call(monkeypatch, "predict", run.folder, folder, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["unlike"] for row in rows].count(True) == 3
    assert set(rows[0]) == {"file", "labels", "probabilities", "unlike", "distance", "detail"}


def test_without_the_runs_images_all_but_likeness_is_said(run: gan_aug.Run, folder: Path) -> None:
    (run.folder / "dataset/images.npy").unlink()
    (row,) = run.predict([folder / "digit 1.png"])
    assert (row.labels, row.unlike, row.distance) == (row.labels, None, None)
    assert sum(row.probabilities.values()) == pytest.approx(1)


def test_the_limits_of_likeness_are_kept_for_the_same_data_set(
    run: gan_aug.Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, kept = [folder / "noise.png"], run.folder / "likeness.json"
    learnt, calls = predict.learn_likeness, list[int]()
    monkeypatch.setattr(predict, "learn_likeness", lambda *images: (calls.append(1), learnt(*images))[1])
    first, again = run.predict(film), run.predict(film)
    assert (list(first), len(calls)) == (list(again), 1)
    assert first.likeness is not None
    assert again.likeness is not None
    assert first.likeness.describe() == again.likeness.describe()
    for damaged in ("{", "[]", json.dumps(json.loads(kept.read_text()) | {"made_of": {}})):
        kept.write_text(damaged)
        assert list(run.predict(film)) == list(first)
    assert len(calls) == 4
    monkeypatch.setattr(predict, "write_json", full_disk)
    kept.unlink()
    assert list(run.predict(film)) == list(first)


def full_disk(path: Path, record: object) -> None:
    raise StorageError(f"cannot write {path}: the disk is full")


def test_which_files_of_a_folder_are_images(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    for name in ("IM_0001", "1.2.840.10008.5", "film.dcm", "old.DIC", "DICOMDIR", "notes.txt", "index.csv"):
        (tmp_path / "dicom" / name).write_bytes(b"no preamble")
    names = [path.name for path in find_new_images([tmp_path / "dicom"], "dicom")[0]]
    assert names == ["1.2.840.10008.5", "IM_0001", "film.dcm", "old.DIC"]
    assert find_new_images([tmp_path / "dicom"], "folder") == (
        [tmp_path / "dicom/film.dcm", tmp_path / "dicom/old.DIC"],
        5,
    )
    for name in ("film.dcm", "old.DIC"):
        (tmp_path / "dicom" / name).unlink()
    with pytest.raises(DataError, match="no image file in .*dicom"):
        find_new_images([tmp_path / "dicom"], "folder")
    twice, _ = find_new_images([folder / "noise.png", folder, folder / "noise.png"], "folder")
    assert len(twice) == len(set(twice)) == 9
    assert twice[0] == folder / "noise.png"
