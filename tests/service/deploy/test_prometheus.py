"""The service's figures as a real Prometheus scrapes them, and the page that shows them."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.places import ROOT
from tests.support.service.held_port import HeldPort
from tests.support.service.live_service import LiveService

DEPLOY = ROOT / "deploy"
pytestmark = pytest.mark.prometheus


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[LiveService, httpx.Client]]:
    """A service, and a Prometheus that asks it every second with the settings that are delivered."""
    program = shutil.which("prometheus")
    if not program:
        pytest.skip("Prometheus is not installed (Debian: prometheus)")
    with LiveService(tmp_path) as service:
        service.start()
        (tmp_path / "key").write_text(service.key)
        with _scraped(program, service, tmp_path) as client:
            yield service, client


@contextmanager
def _scraped(program: str, service: LiveService, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes the service."""
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    settings["global"]["scrape_interval"] = "1s"
    (job,) = settings["scrape_configs"]
    job["authorization"]["credentials_file"] = str(tmp_path / "key")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{service.port}"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    held = HeldPort()
    port = held.number
    options = {
        "config.file": tmp_path / "prometheus.yml",
        "storage.tsdb.path": tmp_path / "tsdb",
        "web.console.templates": DEPLOY / "consoles",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = [program, *(f"--{name}={value}" for name, value in options.items())]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield client
    finally:
        process.terminate()
        process.wait()
        held.close()


def ask(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": query}).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def until(client: httpx.Client, query: str, seconds: float = 300) -> list[dict[str, Any]]:
    """What the query finds, once it finds something; Prometheus answers nothing at first, then 503 until it is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := ask(client, query):
                return found
        except (httpx.TransportError, httpx.HTTPStatusError):
            pass
        time.sleep(0.5)
    raise TimeoutError(query)


def until_shown(client: httpx.Client, wanted: Iterable[str], seconds: float = 120) -> httpx.Response:
    """The page once it shows all that: a scrape that took too long leaves a gap."""
    deadline = time.monotonic() + seconds
    while True:
        page = client.get("/consoles/gan-aug.html")
        if all(said in page.text for said in wanted) or time.monotonic() > deadline:
            return page
        time.sleep(0.5)


def test_it_is_scraped_and_the_page_shows_it(prometheus: tuple[LiveService, httpx.Client]) -> None:
    service, client = prometheus
    assert until(client, "up{job='gan-aug'} == 1")
    calling = threading.Event()

    def call() -> None:
        while not calling.wait(0.1):
            service.call("GET", "/v1/jobs")
            service.call("GET", "/v1/jobs/none")

    # Rates need two looks at a series, and what was counted before the first one is not seen.
    caller = threading.Thread(target=call)
    caller.start()
    try:
        until(client, "rate(ganaug_request_seconds_count{route='/v1/jobs'}[5m]) > 0")
        until(client, "sum by (status) (increase(ganaug_requests_total{status='422'}[1h])) > 0.5")
    finally:
        calling.set()
        caller.join()
    states = {row["metric"]["state"] for row in until(client, "sum by (state) (ganaug_jobs)")}
    assert states == {"queued", "running", "done", "failed", "cancelled"}
    wanted = ("<td>queued</td>", "<td>/v1/jobs</td>", "<td>422</td>", "ms</td>")
    page = until_shown(client, wanted)
    assert page.status_code == 200, page.text
    assert "nothing is scraped yet" not in page.text
    assert "NaN" not in page.text
    for said in wanted:
        assert said in page.text, page.text
