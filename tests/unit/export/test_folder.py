"""Folders of many files: in parallel, and going on after an interruption, they are the same bytes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from gan_aug.config.export import ExportOptions, export_options
from gan_aug.errors import Cancelled, StorageError
from gan_aug.export import folder as folders
from gan_aug.export.formats import FORMATS
from tests.unit.export.synthetic_set import write_set


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_set(tmp_path / "set", [(k % 2,) for k in range(100)])
    return tmp_path / "set"


@pytest.mark.parametrize("name", ["png", "dicom"])
def test_an_interrupted_export_goes_on(place: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "UNIT_BYTES", 16 * 12 * 8)
    FORMATS[name].write(place, tmp_path / "whole", workers=1)

    def stop(done: int, total: int) -> None:
        assert total == 100
        if done == 40:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(Cancelled, match="the same command goes on from what is in .*out.partial"):
        FORMATS[name].write(place, out, workers=1, progress=stop)
    assert not out.exists()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / ".out.partial").glob("normal/*")}
    assert len(kept) == 20
    told: list[int] = []
    FORMATS[name].write(place, out, workers=1, progress=lambda done, _: told.append(done))
    assert told == [*range(48, 100, 8), 100]
    assert {out / path.relative_to(tmp_path / ".out.partial"): when for path, when in kept.items()} == {
        path: path.stat().st_mtime_ns for path in sorted((out / "normal").iterdir())[:20]
    }
    assert files_in(out) == files_in(tmp_path / "whole")


def test_what_was_damaged_meanwhile_is_written_again_and_other_options_begin_anew(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "UNIT_BYTES", 16 * 12 * 8)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for options, damaged in ((ExportOptions(), True), (export_options({"dicom": {"bits": 16}}), False)):
        out, whole = tmp_path / f"out-{damaged}", tmp_path / f"whole-{damaged}"
        FORMATS["dicom"].write(place, whole, options, workers=1)
        with pytest.raises(Cancelled):
            FORMATS["dicom"].write(place, out, workers=1, progress=stop)
        if damaged:
            next((tmp_path / f".{out.name}.partial/normal").iterdir()).write_bytes(b"")
        FORMATS["dicom"].write(place, out, options, workers=1)
        assert files_in(out) == files_in(whole)


def test_two_exports_to_one_folder_do_not_mix(place: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.partial").mkdir()
    descriptor = os.open(tmp_path / ".out.partial", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StorageError, match="another process writes"):
        FORMATS["png"].write(place, tmp_path / "out")
    os.close(descriptor)
    assert FORMATS["png"].write(place, tmp_path / "out") == 100


def test_several_processes_write_the_same_bytes(tmp_path: Path) -> None:
    shape, labels = (1, 2048, 2048), [(k % 2,) for k in range(folders.POOL_UNITS)]
    write_set(tmp_path / "set", labels, shape)
    FORMATS["dicom"].write(tmp_path / "set", tmp_path / "one", workers=1)
    FORMATS["dicom"].write(tmp_path / "set", tmp_path / "two", workers=2)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")
    assert len(files_in(tmp_path / "two")) == len(labels) + 4, "the table, the sums and the two marks"


def test_several_images_of_a_file_may_lie_in_several_shards(tmp_path: Path) -> None:
    made = write_set(tmp_path / "set", [(k % 2,) for k in range(100)])
    read = folders._Reader(tmp_path / "set", made)
    images = np.concatenate([np.load(tmp_path / "set" / shard.file) for shard in made.shards])
    np.testing.assert_array_equal(read((1, 39, 40, 99)), images[[1, 39, 40, 99]])
