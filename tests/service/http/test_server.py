"""`gan-aug serve` as a process: its first key, where it may listen, how it stops, and what a kill -9 does not lose."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gan_aug_service.http.logs import JsonLines
from gan_aug_service.server import main
from tests.support.command_line import call
from tests.support.service.chaos import MEANT, OPTIONS, chaos
from tests.support.service.live_service import LiveService
from tests.support.service.service_samples import until


@pytest.mark.server
def test_the_first_key_is_printed_once_and_a_stopped_service_leaves_its_jobs_at_work(tmp_path: Path) -> None:
    with LiveService(tmp_path, "--nice", "0") as service:
        service.start()
        assert (service.state.stat().st_mode & 0o777) == 0o700
        job = service.call("POST", "/v1/jobs/train", json=MEANT["cancelled"]).json()
        counter = service.state / "runs" / job["run"] / "count.json"
        until(counter.exists)
        with httpx.stream(
            "GET",
            f"http://127.0.0.1:{service.port}/v1/jobs/{job['id']}/events",
            headers={"Authorization": f"Bearer {service.key}"},
            timeout=300,
        ) as stream:
            parts = stream.iter_text()
            next(parts)
            assert service.stop() == 0
            list(parts)  # an open stream does not hold it: it was ended, not cut off
        before = int(counter.read_text())
        until(lambda: int(counter.read_text()) > before)

        service.start()
        assert (tmp_path / "out").read_text().count("ganaug_") == 1
        assert service.key not in (tmp_path / "err").read_text()
        assert service.call("GET", f"/v1/jobs/{job['id']}").json()["attempt"] == 1
        service.call("DELETE", f"/v1/jobs/{job['id']}")
        until(lambda: service.call("GET", f"/v1/jobs/{job['id']}").json()["state"] == "cancelled")


@pytest.mark.server
def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service, LiveService(tmp_path) as other:
        service.start()
        with pytest.raises(RuntimeError, match="another service works in"):
            other.start()


def test_no_other_address_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    monkeypatch.setattr("gan_aug_service.http.logs.install", lambda: None)
    state = ("--state", tmp_path / "state")
    for host in ("0.0.0.0", "::", "example.org", "10.0.0.1"):  # noqa: S104 - refused
        assert call(monkeypatch, "serve", *state, "--host", host) == 2
        assert "without a key" in capsys.readouterr().err
    for role in ("root", ""):
        assert call(monkeypatch, "serve", *state, "--new-key", role) == 2
    assert call(monkeypatch, "serve", *state, "--new-key", "editor:lungs") == 2
    assert "there is no project 'lungs'" in capsys.readouterr().err
    assert call(monkeypatch, "serve", *state, "--new-project", "lungs", "--new-key", "editor:lungs") == 0
    assert "ganaug_" in capsys.readouterr().out
    started = []
    monkeypatch.setattr("gan_aug_service.server._Server.run", lambda server, _: started.append(server.config.host))
    assert call(monkeypatch, "serve", *state, "--host", "0.0.0.0") == 0  # noqa: S104
    assert started == ["0.0.0.0"]  # noqa: S104
    assert "ganaug_" not in capsys.readouterr().out


def test_options_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "serve", "--state", tmp_path, "--data", tmp_path / "none") == 2
    assert call(monkeypatch, "serve", "--jobs", "0") == 2
    assert call(monkeypatch, "serve", "--colour") == 2
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "mysql://x")
    assert call(monkeypatch, "serve", "--state", tmp_path / "s") == 2


def test_help_needs_no_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--new-key" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_service_begins_without_pytorch_and_knows_every_verb() -> None:
    from gan_aug.stages.verbs import VERBS
    from gan_aug_service.routes.jobs import Verb

    assert {verb.value for verb in Verb} == set(VERBS)
    code = (
        "import sys, gan_aug_service.server;"
        "print([name for name in ('torch', 'sklearn', 'ray') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.server
def test_a_slow_or_broken_client_does_not_hold_the_others(tmp_path: Path) -> None:
    with LiveService(tmp_path) as service:
        service.start()
        held = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(50)]
        for number, connection in enumerate(held):
            connection.sendall(
                [b"POST /v1/jobs/run HTTP/1.1\r\nContent-Length: 99999\r\n", b"\x00\xff\r\n\r\n"][number % 2]
            )
        assert service.call("GET", "/v1/jobs").status_code == 200
        for connection in held:
            connection.close()


@pytest.mark.server
@pytest.mark.slow
def test_kills_at_random_moments_lose_no_job_do_none_twice_and_serve_no_half_file(
    tmp_path: Path, whole_run: Path, database: str | None
) -> None:
    with LiveService(tmp_path, *OPTIONS, database=database) as service:
        ended = chaos(service, 3, 9, whole_run, database)  # kills of the service, of jobs, and of both
    assert ended["whole"]
    assert ended["reports"]
    assert ended["cut"]
    assert {state: ended[state] for state in MEANT} == {"done": 3, "failed": 3, "cancelled": 3}


def test_a_line_of_the_log_holds_what_was_handed_along_and_no_librarys_own_marks() -> None:
    record = logging.makeLogRecord({"msg": "request\nforged", "path": "/v1/jobs", "_ray_timestamp_ns": 1})
    line = JsonLines().format(record)
    assert "\n" not in line
    written = json.loads(line)
    assert written.keys() == {"time", "level", "event", "path"}
    assert (written["event"], written["path"]) == ("request\nforged", "/v1/jobs")
