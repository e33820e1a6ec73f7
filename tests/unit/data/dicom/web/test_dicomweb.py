"""DICOMweb: what is asked of an archive, what it may answer, and that nothing retrieved or secret stays."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset  # noqa: TID251
from pydicom.uid import generate_uid  # noqa: TID251

from gan_aug import config as configs
from gan_aug.config.data import DataConfig
from gan_aug.data.dicom.web import http as dicom_http
from gan_aug.data.dicom.web.dicomweb import only_part
from gan_aug.data.dicom.web.http import RefusedError
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources import dicomweb as source_dicomweb
from gan_aug.data.sources.dicomweb import SPOOL
from gan_aug.data.sources.open import opened_source
from gan_aug.errors import Cancelled, ConfigError, DataError
from gan_aug.run import progress
from gan_aug.run.folder import RunDir
from tests.support.command_line import call
from tests.support.dicom.samples import dataset, save
from tests.support.dicom.web_archive import Archive, enveloped, serving

TOKEN = "sEcReT-token-XYZ"  # noqa: S105


def film(number: int, **tags: Any) -> Dataset:
    rng = np.random.default_rng(number)
    return dataset(rng.integers(0, 4000, (12, 10), dtype=np.uint16), SeriesInstanceUID=generate_uid(), **tags)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_http, "FIRST_PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def archive() -> Iterator[Archive]:
    films = [film(number, BodyPartExamined=("HIP", "KNEE")[number % 2]) for number in range(24)]
    films[1].StudyInstanceUID, films[1].SeriesInstanceUID = films[0].StudyInstanceUID, films[0].SeriesInstanceUID
    with serving(films) as made:
        yield made


def asked(url: str, label_from: str = "BodyPartExamined", table: Path | None = None, **web: Any) -> DataConfig:
    values = {"url": url, "search": {"Modality": "CR"}, "timeout": 60, "retries": 2} | web
    dicom = {"label_from": None if table else label_from}
    return DataConfig.model_validate(
        {"source": "dicomweb", "size": 16, "dicom": dicom, "table": table, "dicomweb": values}
    )


def failure(config: DataConfig) -> str:
    with pytest.raises(DataError) as caught, opened_source(config, None):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_an_archive_gives_what_a_folder_of_the_same_files_gives(archive: Archive, tmp_path: Path, level: str) -> None:
    archive.cap = 5  # an archive may give less than it is asked for
    manifest = import_dataset(asked(archive.url, level=level, page=7), 0, tmp_path / "web")
    for number, one in enumerate(archive.films):
        save(tmp_path / "set" / f"{number}", one)
    values = {"source": "dicom", "root": tmp_path / "set", "size": 16, "dicom": {"label_from": "BodyPartExamined"}}
    local = import_dataset(DataConfig.model_validate(values), 0, tmp_path / "local")
    assert sorted((study.content, study.labels) for study in manifest.studies) == sorted(
        (study.content, study.labels) for study in local.studies
    )
    assert len({path for path in archive.asked if "/instances/" in path}) == 24
    assert sum("/instances/" in path for path in archive.asked) == 24
    # Nothing that was retrieved stays.
    assert not list((tmp_path / "web").glob(".*.tmp"))
    assert manifest.name == "dicomweb"


@pytest.mark.parametrize("page", [1, 6, 22, 23, 100])
def test_an_archive_that_knows_one_page_only_is_still_read_whole(archive: Archive, page: int) -> None:
    archive.one_page = True
    with opened_source(asked(archive.url, page=page), None) as source:
        assert len(source.items) == 24


def test_labels_by_uid_from_a_table(archive: Archive, tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label"])
        writer.writerows((one.SOPInstanceUID, "ab"[number % 2]) for number, one in enumerate(archive.films[1:]))
    with opened_source(asked(archive.url, table=tmp_path / "labels.csv"), None) as source:
        assert source.labels == ("a", "b")
        assert len(source.items) == 23
        assert source.rejected[0].reason == "it has no label: the table has no row for its SOPInstanceUID"


def retrieved(folder: Path) -> list[Path]:
    """All there is but the key that identities are hashed with."""
    return [path for path in folder.iterdir() if path.name != "identity.key"]


def test_what_is_retrieved_lies_below_the_folder_and_is_gone_after(archive: Archive, tmp_path: Path) -> None:
    config = asked(archive.url, limit=4)
    with pytest.raises(ZeroDivisionError), opened_source(config, tmp_path) as source:
        (spool,) = retrieved(tmp_path)
        assert len(list(spool.iterdir())) == len(source.items) == 4
        assert source.items[0].read().shape == (12, 10)
        assert spool.stat().st_mode & 0o077 == 0
        raise ZeroDivisionError
    assert not retrieved(tmp_path)


# Going on after an interruption


def asked_for(archive: Archive) -> list[str]:
    """The instances that were asked for since the last call."""
    found = [path.rsplit("/", 1)[1] for path in archive.asked if "/instances/" in path]
    archive.asked.clear()
    return found


@pytest.mark.parametrize("how", ["stopped", "away", "killed"])
def test_a_retrieval_goes_on_where_it_was_interrupted(archive: Archive, tmp_path: Path, how: str) -> None:
    whole = import_dataset(asked(archive.url), 0, tmp_path / "whole")
    every = asked_for(archive)
    if how == "stopped":
        with pytest.raises(Cancelled):
            import_dataset(
                asked(archive.url), 0, tmp_path / "run", cancelled=lambda: archive.asked[-1].endswith(every[9])
            )
    elif how == "away":
        archive.answers = {every[9]: (503, "text/plain", b"")}
        with pytest.raises(DataError, match="is not ready"):
            import_dataset(asked(archive.url, retries=0), 0, tmp_path / "run")
        archive.answers = {}
    else:
        killed_while_it_retrieves(archive, tmp_path / "run", every[9])
    first = set(asked_for(archive))
    spool = tmp_path / "run" / SPOOL
    held = [path.name for path in spool.iterdir()]
    assert 0 < len(held) < 24
    assert spool.stat().st_mode & 0o077 == 0
    assert not [uid for uid in every if any(uid in name for name in held)]

    with RunDir(tmp_path).locked():  # what sweeps the leftovers of killed writers
        told: list[tuple[str, int, int]] = []
        again = import_dataset(asked(archive.url), 0, tmp_path / "run", progress=lambda *say: told.append(say))
    second = asked_for(archive)
    assert len(second) == 24 - len(held)
    assert first | set(second) == set(every)
    assert again.fingerprint == whole.fingerprint
    assert told == [(unit, number, 24) for unit in ("files", "images") for number in range(1, 25)]
    assert not spool.exists()


def killed_while_it_retrieves(archive: Archive, folder: Path, uid: str) -> None:
    """Import in a process that is killed while it waits for the instance `uid`."""
    archive.answers = {uid: 60.0}
    config = asked(archive.url, timeout=60).model_dump_json()
    code = (
        "import sys; from pathlib import Path; from gan_aug.config.data import DataConfig;"
        "from gan_aug.data.importing.dataset import import_dataset;"
        "import_dataset(DataConfig.model_validate_json(sys.argv[1]), 0, Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, config, str(folder)]) as process:
        for _ in range(2400):
            if any(path.endswith(uid) for path in archive.asked) or process.poll() is not None:
                break
            time.sleep(0.1)
        process.kill()
    assert any(path.endswith(uid) for path in archive.asked)
    archive.answers = {}


def test_what_was_retrieved_goes_where_the_import_fails_or_another_source_is_read(
    archive: Archive, tmp_path: Path
) -> None:
    archive.films[3].PixelData = archive.films[4].PixelData = b""
    with pytest.raises(DataError, match=r"2 of 24 files .* were set aside"):
        import_dataset(asked(archive.url), 0, tmp_path)
    assert not (tmp_path / SPOOL).exists()
    with pytest.raises(Cancelled):
        import_dataset(asked(archive.url), 0, tmp_path, cancelled=lambda: len(asked_for(archive)) > 0)
    (tmp_path / SPOOL).mkdir(exist_ok=True)
    (tmp_path / SPOOL / "left").write_bytes(b"a patient")
    import_dataset(DataConfig(source="digits"), 0, tmp_path)
    assert not (tmp_path / SPOOL).exists()


def test_the_run_tells_how_far_the_retrieval_is(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    config = asked(archive.url).model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "job.json").write_text(json.dumps({"data": config}))
    assert call(monkeypatch, "import", tmp_path / "job.json", "--run", tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert re.search(r"^dataset: 12 of 24 files", said, re.MULTILINE)
    assert re.search(r"^dataset: 24 of 24 images", said, re.MULTILINE)
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [event["done"] for event in events if event.get("unit") == "files"] == list(range(1, 25))


def test_a_dry_run_keeps_no_file_longer_than_its_header_is_read(archive: Archive, monkeypatch: Any) -> None:
    most: list[int] = []

    write = source_dicomweb._write

    def counting(path: Path, content: memoryview) -> None:
        most.append(len(list(path.parent.iterdir())))
        write(path, content)

    monkeypatch.setattr(source_dicomweb, "_write", counting)
    with opened_source(asked(archive.url), None) as source:
        assert len(source.items) == 24
    assert most == [0] * 24


# What an archive may answer


def test_what_it_does_not_give_is_set_aside(archive: Archive) -> None:
    films = sorted(archive.films, key=lambda one: (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID))
    answers = [
        (404, "text/plain", b"gone"),
        (403, "text/plain", b"no"),
        (302, "text/plain", b""),
        (200, 'multipart/related; boundary="edge"', b"\r\n--edge\r\nContent-Type: x\r\n\r\nDICM"),
        (200, "text/html", b"<h1>log in</h1>"),
        (200, 'multipart/related; boundary="edge"', enveloped(b"one", b"two")),
        (200, 'multipart/related; boundary="edge"', enveloped(b"no DICOM")),
    ]
    archive.answers = {one.SOPInstanceUID: answer for one, answer in zip(films[2:], answers, strict=False)}
    with opened_source(asked(archive.url), None) as source:
        assert [(one.origin, one.reason) for one in source.rejected] == [
            ("file 3", "the archive answers 404"),
            ("file 4", "the archive answers 403"),
            ("file 5", "the archive answers 302"),
            ("file 6", "the archive's answer is damaged or truncated"),
            ("file 7", "the archive's answer is not a DICOM file"),
            ("file 8", "the archive's answer holds several files instead of one"),
            ("file 9", "not a DICOM file"),
        ]
        assert [item.origin for item in source.items][:3] == ["file 1", "file 2", "file 10"]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_that_would_lead_elsewhere_is_not_asked_for(archive: Archive) -> None:
    archive.films[5].SOPInstanceUID = "../../x"
    archive.films[6].SOPInstanceUID = ""
    with opened_source(asked(archive.url), None) as source:
        assert len(source.items) == 22
        assert [one.reason for one in source.rejected] == ["the archive lists it without a usable UID"] * 2
    assert not [path for path in archive.asked if "/../" in path or path.endswith("/instances/")]


def test_an_instance_above_the_limit_is_not_taken(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    big = archive.films[3].SOPInstanceUID
    archive.answers = {big: (200, "application/dicom", bytes(300_000))}
    monkeypatch.setattr("gan_aug.data.dicom.dataset.HEADER_BYTES", 100_000)
    config = asked(archive.url).model_copy(
        update={"dicom": asked("http://x").dicom.model_copy(update={"max_pixels": 1})}
    )
    with opened_source(config, None) as source:
        reasons = {one.reason for one in source.rejected}
        assert "the archive's answer is larger than allowed" in reasons


def test_one_file_bare_or_in_an_envelope() -> None:
    assert only_part("application/dicom", b"x") == b"x"
    assert only_part("multipart/related; boundary=edge", enveloped(b"\r\n\r\n--x")) == b"\r\n\r\n--x"
    for kind, body in (("multipart/related", b""), ("", b""), ("multipart/related; boundary=edge", b"--ed")):
        with pytest.raises(RefusedError):
            only_part(kind, body)


def test_a_busy_archive_is_asked_again(archive: Archive) -> None:
    archive.busy = 2
    with opened_source(asked(archive.url, limit=2), None) as source:
        assert len(source.items) == 2
    archive.busy = 100
    assert "127.0.0.1" in (said := failure(asked(archive.url)))
    assert "is not ready (it answers 503): try again later" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, "text/plain", b""), r"asks for authentication \(401\): name the environment variable"),
        ((403, "text/plain", b""), r"refuses the search \(the archive answers 403\)"),
        ((404, "text/plain", b""), r"refuses the search \(the archive answers 404\): check data.dicomweb.url"),
        ((200, "text/html", b"<html>"), "does not answer as a DICOMweb service"),
        ((200, "application/json", b"[" * 100_000), "does not answer as a DICOMweb service"),
        ((200, "application/json", b'[{"0020000D": {"Value": ["1"]}}]'), "does not answer as a DICOMweb service"),
        ((200, "application/json", b"[3]"), "does not answer as a DICOMweb service"),
        ((204, "", b""), "has nothing that matches data.dicomweb.search"),
    ],
)
def test_a_search_that_fails_is_one_sentence(archive: Archive, answer: Any, said: str, tmp_path: Path) -> None:
    archive.answers = {"/series": answer}
    with pytest.raises(DataError, match=rf"^the archive at 127\.0\.0\.1:\d+ {said}"):
        import_dataset(asked(archive.url), 0, tmp_path)
    assert not retrieved(tmp_path)


def test_an_archive_that_is_not_there() -> None:
    with serving([]) as gone:
        pass
    said = failure(asked(gone.url))
    assert "cannot be reached, or ends the connection, tried 3 times: check data.dicomweb.url" in said


def test_an_archive_that_says_nothing(archive: Archive) -> None:
    archive.answers = {"/series": 30.0}
    said = failure(asked(archive.url, timeout=0.2, retries=1))
    assert "gives no answer within 0.2 seconds, tried 2 times: try again later, or raise data.dicomweb.timeout" in said


def test_a_retrieval_can_be_stopped(archive: Archive, tmp_path: Path) -> None:
    reader = Reader(cancelled=lambda: len(archive.asked) > 30)
    with pytest.raises(Cancelled), opened_source(asked(archive.url), tmp_path, reader):
        pass
    assert not retrieved(tmp_path)


# Secrets, and what may be asked


def test_the_token_goes_to_the_archive_and_nowhere_else(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PACS_TOKEN", TOKEN)
    caplog.set_level(0)
    config = asked(archive.url, token_env="PACS_TOKEN")  # noqa: S106
    import_dataset(config, 0, tmp_path)
    assert {headers["Authorization"] for headers in archive.headers} == {f"Bearer {TOKEN}"}
    archive.answers = {"/series": (401, "", b"")}
    assert "the token in PACS_TOKEN is wrong or has expired: renew it" in (said := failure(config))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN not in said + caplog.text + config.model_dump_json()
    assert TOKEN.encode() not in kept
    assert archive.films[0].SOPInstanceUID.encode() not in kept
    assert archive.films[0].SOPInstanceUID not in caplog.text


@pytest.mark.parametrize("value", ["", "a\nb", "ä"])
def test_a_token_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PACS_TOKEN", value)
    with (
        pytest.raises(ConfigError, match=r"data\.dicomweb\.token_env: .*PACS_TOKEN"),
        opened_source(asked("http://x", token_env="PACS_TOKEN"), None),  # noqa: S106
    ):
        pass


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"url": f"https://me:{TOKEN}@pacs/dicom-web"}, "data.dicomweb.url: an address with a password"),
        ({"url": f"https://pacs/dicom-web?token={TOKEN}"}, "data.dicomweb.url: what follows"),
        ({"url": "ftp://pacs/x"}, "data.dicomweb.url: write http://host/path"),
        ({"url": f"file:///{TOKEN}"}, "data.dicomweb.url: write http://host/path"),
        ({"url": "http://pacs:x/"}, "data.dicomweb.url: write http://host/path"),
        ({"token_env": TOKEN}, "data.dicomweb.token_env: give the NAME"),
        ({"retries": 11}, "data.dicomweb.retries: "),
    ],
)
def test_what_may_not_be_in_a_config(web: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configs.parse({"data": {"source": "dicomweb", "dicomweb": web}}, "a test")
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (asked("http://x", search={}), "search is empty, which asks for the whole archive"),
        (asked("http://x", search={"Modalty": "CR"}), "'Modalty' is no DICOM keyword"),
        (asked("http://x", search={"PatientName": "X"}), "PatientName is a person's name"),
        (asked("http://x", "folder"), "an archive has no folders"),
        (DataConfig(source="dicomweb"), "an archive has no folders"),
        (DataConfig.model_validate({"source": "dicomweb", "dicom": {"label_from": "none"}}), "url is needed"),
        (
            DataConfig.model_validate({"source": "dicomweb", "table": "x.csv", "dicom": {"label_key": "file"}}),
            "an archive has no file names",
        ),
    ],
)
def test_what_cannot_be_asked(config: DataConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said), opened_source(config, None):
        pass
