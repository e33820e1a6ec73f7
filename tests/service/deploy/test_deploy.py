"""What runs around the service: systemd's unit, nginx in front, and what the service's processes ask of the system."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from gan_aug_service.options import parser, settings_of
from gan_aug_service.server import _web_config
from gan_aug_service.settings import Limits
from tests.support.command_line import call
from tests.support.places import ROOT
from tests.support.service.held_port import HeldPort
from tests.support.service.live_service import LiveService
from tests.support.service.service_samples import TINY, Service

UNIT = ROOT / "deploy" / "gan-aug.service"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
HOST = "images.example.org"


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(UNIT)
    return parser["Service"]


def test_the_unit_keeps_jobs_alive_and_records_closed() -> None:
    service = unit()
    wanted = {"KillMode": "process", "OOMPolicy": "continue", "UMask": "0077", "NoNewPrivileges": "yes"}
    assert {name: service[name] for name in wanted} == wanted
    assert int(service["LimitNOFILE"]) >= 8192
    # A job that outlives a stop would lose what it stands on, or never had what it computes with.
    assert not {"PrivateTmp", "RuntimeDirectory", "PrivateDevices", "MemoryDenyWriteExecute", "DynamicUser"} & set(
        service
    )
    program, verb, *options = shlex.split(service["ExecStart"])
    assert (Path(program).name, verb) == ("gan-aug", "serve")
    parsed = parser().parse_args(options)
    assert (str(parsed.state), parsed.https, parsed.proxies) == ("/var/lib/gan-aug", True, ["127.0.0.1"])


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/opt/gan-aug/bin/gan-aug", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_records_are_closed_to_others_also_in_a_folder_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    monkeypatch.setattr("gan_aug_service.http.logs.install", lambda: None)
    made: list[int] = []

    def served(*_: object) -> None:
        (tmp_path / "later").touch()
        made.append((tmp_path / "later").stat().st_mode & 0o777)

    monkeypatch.setattr("gan_aug_service.server._Server.run", served)
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    for _ in range(2):
        assert call(monkeypatch, "serve", "--state", state, "--port", "0") == 0
        database = state / "service.db"
        assert database.stat().st_mode & 0o777 == 0o600
        database.chmod(0o644)  # as an older version left it
    assert made[0] == 0o600


def test_a_job_goes_before_the_service_where_memory_runs_out() -> None:
    code = (
        "from gan_aug_service.queue.job_process import raise_oom_score; raise_oom_score();"
        "print(open('/proc/self/oom_score_adj').read())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ended.stdout) == 800


def test_a_proxy_is_believed_only_where_it_is_named(tmp_path: Path, limits: Limits) -> None:
    sent = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https"}
    with Service(tmp_path / "state", None, limits) as service:

        def seen(peer: str, *options: str) -> tuple[str | None, bool]:
            """Which address the audit shows, and whether the cookie is for https alone."""
            settings = settings_of(parser().parse_args(["--state", str(tmp_path / "state"), *options]))
            config = _web_config(settings, service.app, 1000)
            config.load()
            client = TestClient(config.loaded_app, client=(peer, 1))
            answer = client.post("/v1/session", json={"key": service.keys["admin"]}, headers=sent)
            entry = service.call("GET", "/v1/audit?limit=1", "admin").json()["items"][0]
            return entry["address"], "Secure" in answer.headers["set-cookie"]

        assert seen("127.0.0.1") == ("127.0.0.1", False)
        assert seen("127.0.0.1", "--trust-proxy", "127.0.0.1") == ("203.0.113.9", True)
        assert seen("10.0.0.7", "--trust-proxy", "127.0.0.1", "--trust-proxy", "10.0.0.0/28") == ("203.0.113.9", True)
        assert seen("10.0.0.77", "--trust-proxy", "10.0.0.0/28") == ("10.0.0.77", False)


@pytest.mark.parametrize("named", ["*", "0.0.0.0/0", "::/0", "proxy.example.org", "10.0.0.1/8"])
def test_a_proxy_is_named_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    assert call(monkeypatch, "serve", "--state", tmp_path / "state", "--trust-proxy", named) == 2


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[LiveService, httpx.Client, Path]]:
    """A service behind nginx with the settings that are delivered and a certificate of its own; a browser before it."""
    if not NGINX or not shutil.which("openssl"):
        pytest.skip("nginx is not installed (Debian: nginx-light, openssl)")
    service = LiveService(tmp_path, "--https", "--trust-proxy", "127.0.0.1")
    with service, HeldPort() as plain, HeldPort() as tls:
        service.start()
        with _nginx(service, (plain.number, tls.number), tmp_path) as client:
            yield service, client, tmp_path


@contextmanager
def _nginx(service: LiveService, ports: tuple[int, int], tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of nginx before the service, on these ports for http and https."""
    certificate = ["-subj", f"/CN={HOST}", "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *certificate], capture_output=True, check=True
    )
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{ports[1]} ssl;"),
        ("/etc/ssl/gan-aug", str(tmp_path)),
        ("127.0.0.1:8000", f"127.0.0.1:{service.port}"),
    ):
        assert old in site
        site = site.replace(old, new)
    places = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/nginx.log; user {os.environ.get('USER', 'root')};"
        f"events {{}} http {{ access_log off; {places} {site} }}"
    )
    process = subprocess.Popen([NGINX, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "nginx.log")])
    try:
        with httpx.Client(base_url=f"https://127.0.0.1:{ports[1]}", verify=False, timeout=60) as client:  # noqa: S501
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    client.get("/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait()


@pytest.mark.nginx
def test_behind_nginx_a_browser_signs_in_by_form_and_events_come_as_they_happen(
    proxied: tuple[LiveService, httpx.Client, Path],
) -> None:
    service, client, _ = proxied
    origin = str(client.base_url).rstrip("/")
    page = {"Accept": "text/html", "Origin": origin}
    answer = client.post("/sign-in", data={"key": service.key, "next": "/jobs"}, headers=page)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs"), answer.text
    assert answer.headers["set-cookie"].startswith("__Host-ganaug_session=")
    foreign = client.post("/sign-in", data={"key": service.key}, headers=page | {"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    jobs = client.get("/jobs", headers=page)
    assert (jobs.status_code, jobs.headers["strict-transport-security"]) == (200, "max-age=31536000")
    token = client.get("/v1/session").json()["csrf_token"]
    slow = TINY | {"train": TINY["train"] | {"images": 1_000_000}}
    job = client.post("/v1/jobs/train", json=slow, headers={"X-CSRF-Token": token, "Origin": origin}).json()
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        kinds = (line for line in stream.iter_lines() if line.startswith("event: "))
        assert next(kind for kind in kinds if "progress" in kind)  # while the job works
    gone = client.delete(f"/v1/jobs/{job['id']}", headers={"X-CSRF-Token": token, "Origin": origin})
    assert gone.status_code in (200, 202)
    forged = client.get("/v1/jobs", headers={"Authorization": "Bearer x", "X-Forwarded-For": "203.0.113.9"})
    assert forged.status_code == 401
    assert "203.0.113.9" not in service.state.with_name("err").read_text()
    large = {client.post("/v1/jobs/run", content=bytes(size << 20)).status_code for size in [2, 40] * 5}
    assert large <= {401, 413}  # not nginx's 502 for a service that went away while it was sent more
    assert re.match(r"<html>", client.get("/", headers={"x": "y" * 100_000}).text)  # nginx's own refusal
