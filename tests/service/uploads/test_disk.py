"""A disk that is full or read-only: reading goes on, writing is refused by its own name, and the service says so."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from gan_aug_service.database.tables import Key
from gan_aug_service.http.metrics import disk_free
from gan_aug_service.http.problems import database_reason
from gan_aug_service.settings import Limits
from tests.support.service.service_samples import TINY, Service


@pytest.fixture
def service(tmp_path: Path, limits: Limits) -> Any:
    """A service on SQLite, which is made to refuse to write."""
    with Service(tmp_path / "state", None, limits) as made:
        yield made


def refuse(service: Service, pragma: str) -> None:
    """Have SQLite answer every write from now on as it does on such a disk."""
    engine = service.components.database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))


@pytest.mark.parametrize(
    ("pragma", "name"), [("max_page_count=1", "SQLITE_FULL"), ("query_only=ON", "SQLITE_READONLY")]
)
def test_a_database_that_cannot_write_is_read_on(
    service: Service, caplog: pytest.LogCaptureFixture, pragma: str, name: str
) -> None:
    job = service.submit()
    refuse(service, pragma)
    for who in ("editor", "viewer"):  # the viewer's first request, whose use is to be recorded
        assert service.call("GET", f"/v1/jobs/{job['id']}", who).status_code == 200
    large = TINY | {"data": TINY["data"] | {"columns": {"label": "x" * 60_000}}}  # more than what pages in use take
    answer = service.call("POST", "/v1/jobs/import", json=large)
    problem = answer.json()
    assert (answer.status_code, problem["exit_code"]) == (507, 8), answer.text
    assert problem["type"] == "urn:gan-aug:problem:StorageError"
    assert "its disk is full or read-only" in problem["detail"]
    assert name in [vars(record).get("reason") for record in caplog.records]


def test_what_another_process_holds_is_not_a_full_disk(service: Service) -> None:
    refuse(service, "busy_timeout=1")
    with service.components.database.writing() as session:
        session.execute(update(Key).values(name="held"))
        assert service.call("GET", "/v1/jobs", "viewer").status_code == 200
        answer = service.call("POST", "/v1/jobs/import", json=TINY)
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]


def test_a_full_disk_of_postgresql_is_known_by_its_state() -> None:
    psycopg = pytest.importorskip("psycopg")
    assert database_reason(OperationalError("", {}, psycopg.errors.DiskFull())) == "53100"
    assert database_reason(OperationalError("", {}, psycopg.OperationalError("away"))) == "OperationalError"
    assert database_reason(OperationalError("", {}, sqlite3.OperationalError("away"))) == "OperationalError"


@pytest.mark.server
@pytest.mark.parametrize(("free", "there"), [(1, True), (1 << 62, False)])
def test_it_is_not_ready_without_room_on_the_disk(tmp_path: Path, free: int, there: bool) -> None:
    with Service(tmp_path / "state", None, Limits(free=free)) as service:
        service.start()
        answer = service.call("GET", "/readyz", None)
        assert answer.json()["checks"] == {"database": True, "queue": True, "disk": there}
        assert answer.status_code == (200 if there else 503)
        figures = dict(
            line.rsplit(" ", 1) for line in service.call("GET", "/metrics").text.splitlines() if line[0] != "#"
        )
        assert float(figures["ganaug_disk_free_bytes"]) == pytest.approx(disk_free(tmp_path), rel=0.2)
    assert disk_free(tmp_path / "nowhere") == 0
