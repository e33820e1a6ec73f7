"""A service for each test: on SQLite, and on a PostgreSQL started for the tests where its programs are there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_aug_service.settings import Limits
from tests.support.service.held_port import HeldPort
from tests.support.service.service_samples import Service, make_run

POPEN = subprocess.Popen  # what outlives a test is not among what a test started
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of these tests' own, run by a user that is not root, as it asks for."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL's programs are not installed (Debian: postgresql)")
    if os.getuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    programs = PROGRAMS[-1]
    # Not below pytest's folder, which other users may not enter.
    folder = Path("/tmp") / f"gan-aug-postgres-{os.getpid()}-{os.urandom(4).hex()}"  # noqa: S108
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    held = HeldPort()
    port = held.number
    setup = [programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "tests", "--no-sync"]
    subprocess.run([*as_user, *setup], check=True, capture_output=True, cwd="/")
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-k", str(folder)]
    server = POPEN(
        [*as_user, str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        _wait_for_port(port, server)
        yield f"postgresql://tests@127.0.0.1:{port}"
    finally:
        written = folder / "data" / "postmaster.pid"
        if written.exists():  # it did start
            os.kill(int(written.read_text().split()[0]), signal.SIGQUIT)  # at once
        else:
            server.terminate()
        server.wait(240)
        shutil.rmtree(folder, ignore_errors=True)
        held.close()


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(f"postgresql://tests@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("PostgreSQL does not answer")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of an empty database; None means SQLite in the service's folder."""
    if request.param == "sqlite":
        yield None
        return
    import psycopg

    server = request.getfixturevalue("postgres")
    name = f"service_{os.urandom(6).hex()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def limits() -> Limits:
    """The service's limits; a test that needs others overrides this."""
    return Limits(rate=10_000, burst=10_000)


@pytest.fixture(autouse=True)
def the_umask_stays() -> Iterator[None]:
    """Undo what `gan-aug serve` does to its own process, where a test runs it in this one."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def no_process_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End what a test's services have started: jobs outlive them."""
    started: list[subprocess.Popen[bytes]] = []

    class Remembered(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr("gan_aug_service.queue.runner.subprocess.Popen", Remembered)
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def service(tmp_path: Path, database: str | None, limits: Limits) -> Iterator[Service]:
    """A service with keys of two projects; its queue is kept by the test unless it calls `start`."""
    with Service(tmp_path / "state", database, limits) as made:
        yield made


@pytest.fixture(params=[True, False])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether images of several requests share a forward pass; they do not where its rows cannot move."""
    if not request.param:
        monkeypatch.setattr("gan_aug_service.sampling.batcher.rows_can_move", lambda generator: False)
    return bool(request.param)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that went through all stages with tiny budgets; tests must not alter it."""
    return make_run(tmp_path_factory.mktemp("whole") / "run")
