"""Headers known from an earlier import: what is taken from there, what is looked at anew, and who is found there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.compute.local.crash_safe_pool import CrashSafePool
from gan_aug.config.data import DataConfig
from gan_aug.data.dicom import header_reader
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading.header_cache import HeaderCache
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.open import open_source
from tests.support.dicom.samples import dataset, save

PATIENT = "SMITH-4711"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -1000.0)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 4096, (20, 16), dtype=np.uint16)
        tags = {"PatientID": f"{PATIENT}-{number // 2}", "SOPInstanceUID": f"1.2.3.{number}"}
        save(tmp_path / "films" / f"{number:02}.dcm", dataset(pixels, PixelSpacing=[0.1, 0.2], **tags))
    (tmp_path / "films" / "notes.txt").write_text("no film")
    rows = [f"1.2.3.{number},{'ab'[number % 2]}" for number in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    return tmp_path / "films"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose headers are read in this process."""
    names: list[str] = []
    read = header_reader.read_header

    def noted(file: Any, *rest: Any) -> Any:
        names.append(file.name)
        return read(file, *rest)

    monkeypatch.setattr(header_reader, "read_header", noted)
    return names


def config(films: Path, **dicom: Any) -> DataConfig:
    values = {"source": "dicom", "root": films, "table": films.parent / "labels.csv", "size": 16, "dicom": dicom}
    return DataConfig.model_validate(values | {"max_rejected": 0.5})


def imported(films: Path, out: str, cache: CacheFolder | None, **dicom: Any) -> Manifest:
    return import_dataset(config(films, **dicom), 0, films.parent / out, cache=cache)


def test_a_second_import_opens_no_header_and_gives_the_same(films: Path, looked_at: list[str]) -> None:
    cache = CacheFolder(films.parent / "cache", 10**9)
    first = imported(films, "first", cache)
    assert sorted(looked_at) == sorted(path.name for path in films.iterdir())
    looked_at.clear()
    (films.parent / "again").mkdir()
    (films.parent / "again" / "patient.key").write_bytes((films.parent / "first" / "patient.key").read_bytes())
    again = imported(films, "again", cache)
    assert looked_at == []
    assert again.fingerprint == first.fingerprint
    reports = [json.loads((films.parent / out / "import-report.json").read_text()) for out in ("first", "again")]
    assert reports[0] == reports[1]


def test_without_a_cache_the_same_patients_are_together(films: Path) -> None:
    groups = []
    for out, cache in (("with", CacheFolder(films.parent / "cache", 10**9)), ("without", None)):
        studies = imported(films, out, cache).studies
        groups.append([(study.content, [other.patient == study.patient for other in studies]) for study in studies])
    assert groups[0] == groups[1]


def test_a_changed_file_and_another_question_are_looked_at_anew(films: Path, looked_at: list[str]) -> None:
    cache = CacheFolder(films.parent / "cache", 10**9)
    imported(films, "first", cache)
    looked_at.clear()
    pixels = np.zeros((20, 16), dtype=np.uint16)
    pixels[3] = 9
    save(films / "03.dcm", dataset(pixels, PatientID="other", SOPInstanceUID="1.2.3.3"))
    imported(films, "second", cache)
    assert looked_at == ["03.dcm"]
    looked_at.clear()
    imported(films, "third", cache, window="percentile")
    assert len(looked_at) == 13


def test_what_could_not_be_read_for_now_is_looked_at_anew(
    films: Path, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CacheFolder(films.parent / "cache", 10**9)
    opened = DicomFile.open

    def away(self: DicomFile, limit: int) -> Any:
        if self.name == "05.dcm":
            raise UnreadError("the disk or network failed while it was read")
        return opened(self, limit)

    monkeypatch.setattr(DicomFile, "open", away)
    assert len(imported(films, "first", cache).studies) == 11
    monkeypatch.setattr(DicomFile, "open", opened)
    looked_at.clear()
    assert len(imported(films, "second", cache).studies) == 12
    assert looked_at == ["05.dcm"]


def test_no_identity_is_in_the_cache_nor_beside_the_data_set(films: Path) -> None:
    cache = films.parent / "cache"
    imported(films, "out", CacheFolder(cache, 10**9))
    kept = [path for path in [*cache.rglob("*"), *(films.parent / "out").rglob("*")] if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in kept)
    for path in kept:
        content = path.read_bytes()
        for word in (PATIENT, "1.2.3.", str(films)):
            assert word.encode() not in content, path
    assert (cache / "headers").stat().st_mode & 0o077 == 0
    assert (cache / "headers" / "identity.key").stat().st_mode & 0o077 == 0


def test_headers_from_processes_are_those_read_here(films: Path) -> None:
    (films.parent / "key").mkdir()
    IdentityKey(bytes(32)).stored_in(films.parent / "key")
    here = open_source(config(films), films.parent / "key")
    with CrashSafePool(2, 60) as pool:
        there = open_source(config(films), films.parent / "key", Reader(pool))
    assert here.details == there.details
    assert [(item.origin, item.patient, item.labels, item.spacing) for item in here.items] == [
        (item.origin, item.patient, item.labels, item.spacing) for item in there.items
    ]
    assert here.rejected == there.rejected


def test_progress_counts_headers_then_images(films: Path) -> None:
    told: list[tuple[str, int, int]] = []
    import_dataset(config(films), 0, films.parent / "out", progress=lambda *news: told.append(news))
    assert told[0][0] == "files"
    assert ("files", 13, 13) in told
    assert told[-1] == ("images", 12, 12)


def test_a_database_that_cannot_be_used_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with HeaderCache(tmp_path / "file" / "below.sqlite", 10**6) as cache:
        cache.keep({b"k": "text"})
        assert cache.find([b"k"]) == {}


def test_a_damaged_database_starts_afresh(tmp_path: Path) -> None:
    torn = tmp_path / "torn.sqlite"
    torn.write_bytes(b"no database at all" * 100)
    (tmp_path / "torn.sqlite-wal").write_bytes(b"pages of another one")
    with HeaderCache(torn, 10**6) as cache:
        cache.keep({b"k": "text"})
        assert cache.find([b"k"]) == {b"k": "text"}


def test_a_database_keeps_many_and_starts_afresh_when_too_large(tmp_path: Path) -> None:
    texts = {number.to_bytes(16): f"text {number}" for number in range(1234)}
    with HeaderCache(tmp_path / "c" / "h.sqlite", 10**9) as cache:
        cache.keep(texts)
        assert cache.find([*texts, b"another"]) == texts
    with HeaderCache(tmp_path / "c" / "h.sqlite", 10) as cache:
        assert cache.find([*texts]) == {}
    assert os.path.getsize(tmp_path / "c" / "h.sqlite") < 20_000  # noqa: PTH202
