"""After a run and its upload are removed, no image of it is left in any folder that the service may write."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.manifest import Manifest
from gan_aug.data.reading import cache_keys
from gan_aug_service.queue import job_process
from gan_aug_service.records.removal import FORGOTTEN, finish_removals
from tests.support.service.service_samples import Service

PATIENT = "Smith^Anna"
IMAGES = 12


@pytest.fixture
def database() -> None:
    """SQLite, whose files are the service's own."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder above all that the service and its jobs may write; their home and temporary folders are in it."""
    for variable, name in (("HOME", "home"), ("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "home/.cache")):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)
    return tmp_path


@pytest.fixture(autouse=True)
def _jobs_in_this_process(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's process is imitated by this one, in the environment that it would have."""

    class Process:
        def __init__(self, command: list[str], *, env: dict[str, str], **_: object) -> None:
            record, start, run, _, on = command[-5:]
            with _environment(env):
                job_process.work(Path(record), int(start), Path(run), on)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr("gan_aug_service.queue.runner.subprocess.Popen", Process)
    monkeypatch.setattr("tempfile.tempdir", None)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def films(torn: bool = False) -> dict[str, bytes]:
    """The files of an upload; their names are those of a patient."""
    rng, files = np.random.default_rng(int.from_bytes(os.urandom(4))), {}
    for number in range(IMAGES):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(buffer, "PNG")
        files[f"{'ab'[number % 2]}/{PATIENT} {number}.png"] = buffer.getvalue()
    if torn:
        files[f"a/{PATIENT} torn.png"] = buffer.getvalue()[:100]
    return files


def uploaded(service: Service, files: dict[str, bytes]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    headers = {"Content-Type": "application/zip"}
    answer = service.call("POST", "/v1/uploads", content=buffer.getvalue(), headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def imported(service: Service, upload: str, **data: Any) -> str:
    """The run of an import job, which has ended."""
    named = {"source": "folder", "root": f"uploads/{upload}", "size": 20} | data
    job = service.submit("import", data=named)
    for _ in range(3):
        service.components.supervisor.tick()
    return str(job["id"])


def stored(service: Service, run: str) -> list[bytes]:
    """The decoded images of a run, as bytes."""
    folder = service.settings.runs / run / "dataset"
    assert len(Manifest.load(folder / "manifest.json").studies) == IMAGES
    return [image.tobytes() for image in np.load(folder / "images.npy")]


def found(needles: list[bytes], place: Path) -> int:
    """How many needles any file below a place holds."""
    contents = [path.read_bytes() for path in place.rglob("*") if path.is_file()]
    return sum(any(needle in content for content in contents) for needle in needles)


def remove(service: Service, path: str) -> None:
    assert service.call("DELETE", path).status_code == 204


def test_no_byte_of_an_image_is_left(service: Service, places: Path) -> None:
    files = films()
    upload = uploaded(service, files)
    run = imported(service, upload)
    decoded, originals = stored(service, run), list(files.values())
    assert found(decoded, service.settings.runs) == IMAGES, "the control: they are found before"
    assert found(decoded, service.settings.cache) == IMAGES
    assert found(originals, service.settings.uploads) == IMAGES
    assert found([PATIENT.encode()], service.settings.runs) == 1
    assert found(decoded + originals, places / "home") == found(decoded + originals, places / "tmp") == 0
    assert (service.settings.processes / run).is_dir()
    assert not (service.settings.processes / run / job_process.TEMPORARY).exists(), "it goes when the job ends"
    remove(service, f"/v1/uploads/{upload}")
    assert list(service.settings.cache.glob("images/*")) == [], "a file that is gone is not asked for again"
    remove(service, f"/v1/runs/{run}")
    assert found([*decoded, *originals, PATIENT.encode()], places) == 0
    assert not [path for path in places.rglob("*") if PATIENT in path.name]


def test_what_two_runs_share_goes_with_the_last_of_them(service: Service, places: Path) -> None:
    upload, other = uploaded(service, films()), uploaded(service, films())
    first, second, third = imported(service, upload), imported(service, upload), imported(service, other)
    decoded, theirs = stored(service, first), stored(service, third)
    remove(service, f"/v1/runs/{first}")
    assert found(decoded, service.settings.cache) == IMAGES
    remove(service, f"/v1/runs/{second}")
    remove(service, f"/v1/uploads/{upload}")
    assert found(decoded, places) == 0
    assert found(theirs, service.settings.cache) == IMAGES, "others' stay"


def test_a_failed_job_leaves_no_name_either(service: Service, places: Path) -> None:
    upload = uploaded(service, films(torn=True))
    run = imported(service, upload, max_rejected=0.0)
    job = service.call("GET", f"/v1/jobs/{run}").json()
    assert job["state"] == "failed", job
    assert found([PATIENT.encode()], service.settings.state) == 1
    remove(service, f"/v1/runs/{run}")
    remove(service, f"/v1/uploads/{upload}")
    assert service.call("GET", f"/v1/jobs/{run}").json()["problem"]["detail"] == FORGOTTEN
    assert found([PATIENT.encode()], places) == 0, "in the records too, and in their log"


def test_an_interrupted_removal_goes_on_at_the_next_start(service: Service, places: Path) -> None:
    upload = uploaded(service, films())
    run = imported(service, upload)
    decoded, runs = stored(service, run), service.settings.runs
    left = service.settings.processes / run / job_process.TEMPORARY / "gan-aug-dry-run-0"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(decoded[0])
    (runs / run).rename(runs / f".{run}.gone")  # as far as a service came that was killed
    uploads = service.settings.uploads
    (uploads / upload).rename(uploads / f".{upload}.gone")
    finish_removals(service.settings, service.components.database)
    assert found(decoded, places) == 0


def test_what_the_disk_does_not_delete_is_told_and_tried_again(
    service: Service, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = imported(service, uploaded(service, films()))
    decoded = stored(service, run)

    def fail(*_: object, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", fail)
    answer = service.call("DELETE", f"/v1/runs/{run}")
    assert answer.status_code == 507
    assert service.call("GET", f"/v1/datasets/{run}").status_code == 404
    monkeypatch.undo()
    finish_removals(service.settings, service.components.database)
    assert found(decoded, places) == 0
