"""The records: the same on both databases, migrated as the tables say, and whole under many writers."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, select, text

from gan_aug.errors import ConfigError, RunConflict, StorageError
from gan_aug_service.database.engine import Database, migrate, wait_for_server
from gan_aug_service.database.queue_owner import queue_ownership
from gan_aug_service.database.tables import AuditEntry, Base, Job, JobState, Run, Upload, new_id, now
from gan_aug_service.queue.retention import AuditRetention
from gan_aug_service.settings import Settings
from tests.support.command_line import call
from tests.support.service.service_samples import Service


def test_the_migrations_make_the_tables(service: Service) -> None:
    with service.components.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_is_opened_again_with_what_it_holds(service: Service) -> None:
    job = service.submit()
    other = Database(service.settings.database_url)
    with other.reading() as session:
        stored = session.get_one(Job, job["id"])
        assert (stored.state, stored.created.tzinfo is not None) == (JobState.QUEUED, True)
        assert abs(stored.created - now()) < timedelta(minutes=5)
        assert stored.created.utcoffset() == timedelta(0)
        assert stored.created.astimezone(UTC) == stored.created
    other.close()


def test_the_queue_is_one_folders_until_another_takes_it_over(service: Service, tmp_path: Path) -> None:
    database, first, second = service.components.database, service.settings.state, tmp_path / "second"
    second.mkdir()
    for _ in range(2):
        with queue_ownership(database, first):
            pass
    with pytest.raises(RunConflict, match="--take-over"), queue_ownership(database, second):
        pass
    with queue_ownership(database, second, take_over=True):
        pass
    with queue_ownership(database, second):
        pass
    with pytest.raises(RunConflict, match="--take-over"), queue_ownership(database, first):
        pass
    with database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "queue.take-over")).all()
    assert [entry.target for entry in entries] == [(second / "id").read_text()]


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_a_copy_of_the_folder_does_not_keep_the_queue_beside_the_first(service: Service) -> None:
    # A SQLite database lies in the folder and is copied with it.
    database, state = service.components.database, service.settings.state
    other = Database(service.settings.database_url)
    with queue_ownership(database, state):
        with pytest.raises(RunConflict, match="stop it first"), queue_ownership(other, state, timeout=0):
            pass
        database.engine.dispose()  # what the pool gives back takes no lock with it
        with pytest.raises(RunConflict, match="stop it first"), queue_ownership(other, state, timeout=0):
            pass
    with queue_ownership(
        other, state, timeout=60
    ):  # PostgreSQL frees a lock when it has noticed that its connection is gone
        pass
    other.close()


def test_many_writers_lose_nothing(service: Service) -> None:
    database = service.components.database

    def write(number: int) -> None:
        with database.writing() as session:
            rows = len(session.scalars(select(AuditEntry)).all())
            session.add(AuditEntry(action=f"{number}", detail=str(rows)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(80)))
    with database.reading() as session:
        assert {row.action for row in session.scalars(select(AuditEntry))} == {str(number) for number in range(80)}


def test_a_change_is_whole_or_not_at_all(service: Service) -> None:
    database, run = service.components.database, Run(id=new_id(), project="lungs")
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        session.add(run)
        session.flush()
        raise ZeroDivisionError
    with database.reading() as session:
        assert session.get(Run, run.id) is None


@pytest.mark.parametrize("asked", [8])
def test_one_run_is_held_by_one_job_whoever_comes_first(service: Service, whole_run: Path, asked: int) -> None:
    from tests.support.service.service_samples import TINY

    run = service.place(whole_run)

    def post(_: int) -> int:
        status: int = service.call("POST", f"/v1/jobs/compare?run={run}", json=TINY).status_code
        return status

    with ThreadPoolExecutor(asked) as pool:
        assert sorted(pool.map(post, range(asked))) == [202] + [409] * (asked - 1)


def test_ids_sort_by_age() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert [identifier[:12] for identifier in ids] == sorted(identifier[:12] for identifier in ids)


def test_an_address_that_is_no_database_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        _ = Settings(tmp_path, database="mysql://user:secret@host/name").database_url
    url = Settings(tmp_path, database="postgresql://user:secret@127.0.0.1:1/name").database_url
    with pytest.raises(StorageError) as caught:
        Database(url)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_database_of_a_later_version_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    monkeypatch.setattr("gan_aug_service.http.logs.install", lambda: None)
    state = tmp_path / "state"
    state.mkdir()
    database = Database(f"sqlite:///{state / 'service.db'}")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    for more in ((), ("--new-key", "admin")):
        assert call(monkeypatch, "serve", "--state", state, *more) == StorageError.exit_code
        said = capsys.readouterr().err
        assert "the database is of version 9999, and this program of" in said
        assert len(said.splitlines()) == 1


def test_a_server_that_is_not_up_yet_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://user:secret@127.0.0.1:{later.getsockname()[1]}/name"
        begun = time.monotonic()
        wait_for_server(url, 0.1)
        listening = threading.Timer(1.0, later.listen)
        listening.start()
        wait_for_server(url, 60)
        assert 1.0 <= time.monotonic() - begun < 50
        listening.join()
    wait_for_server("postgresql+psycopg://user@no-such-host.invalid/name", 0.1)
    told = [vars(record)["host"] for record in caplog.records if record.message == "waiting for the database"]
    assert told == ["127.0.0.1", "127.0.0.1", "no-such-host.invalid"]
    assert "secret" not in caplog.text


def test_what_is_no_server_of_the_network_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    for url in (
        f"sqlite:///{tmp_path}/x.db",
        "postgresql+psycopg:///name",
        "postgresql+psycopg://user@/name?host=/run",
    ):
        wait_for_server(url, 60)
    assert time.monotonic() - begun < 5


KILLED = """
import os, sys
from gan_aug_service.database.engine import Database, migrate
from gan_aug_service.database.tables import AuditEntry
database = Database(sys.argv[1])
for number in range(20):
    with database.writing() as session:
        session.add(AuditEntry(action=f"{number}"))
    print(number, flush=True)
with database.writing() as session:
    session.add(AuditEntry(action="never"))
    session.flush()
    os.kill(os.getpid(), 9)
"""


def test_what_was_kept_survives_a_kill_and_what_was_not_does_not(service: Service) -> None:
    url = service.settings.database_url
    ended = subprocess.run([sys.executable, "-c", KILLED, url], capture_output=True, text=True, check=False)
    assert ended.returncode == -9
    with service.components.database.reading() as session:
        rows = {row.action for row in session.scalars(select(AuditEntry))}
    assert rows == set(ended.stdout.split())


def test_the_audit_is_kept_for_so_many_days(service: Service) -> None:
    database, day = service.components.database, 86_400_000
    begun = int(new_id()[:12], 16)
    with database.writing() as session:
        for age in range(0, 12, 2):
            session.add(AuditEntry(id=f"{begun - age * day:012x}{age:012x}", action=f"{age} days"))
    assert AuditRetention(database, 7).prune() == 2
    assert AuditRetention(database, 7).prune() == 0
    with database.reading() as session:
        entries = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [entry.action for entry in entries] == ["6 days", "4 days", "2 days", "0 days", "audit.prune"]
    assert entries[-1].detail == "2 entries of more than 7 days"


def test_the_audit_is_looked_at_once_an_hour_or_never(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(AuditRetention, "prune", lambda self: looked.append(self._days))
    for days in (0, 5):
        retention = AuditRetention(service.components.database, days)
        retention.prune_if_due()
        retention.prune_if_due()
    assert looked == [5]


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO keys VALUES ('k', 'n', 'editor', 'p', 's', '2026-01-01', NULL, NULL, NULL)")
        )
        connection.execute(text("INSERT INTO uploads VALUES ('u', 'p', 'k', '2026-01-01 00:00:00', 1, 2, 's')"))
    engine.dispose()
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.reading() as session:
        stored = session.get_one(Upload, "u")
        assert (stored.files, stored.idempotency_key) == (1, None)
    database.close()


def earlier_records(connection: Connection) -> None:
    """What a service of the version before titles had: two keys, uploads, and runs with their jobs."""
    for identifier, name in (("k1", "Ada"), ("k2", "Jürgen")):
        row = {"id": identifier, "name": name, "when": "2026-01-01 00:00:00"}
        connection.execute(
            text("INSERT INTO keys VALUES (:id, :name, 'editor', 'p', 's', :when, NULL, NULL, NULL)"), row
        )
    connection.execute(
        text("INSERT INTO uploads VALUES ('u1', 'p', 'k1', '2026-02-03 04:05:06', 1, 2, 's', NULL)"),
    )
    configs = {
        "r1": ("p", "k1", '{"data": {"source": "digits"}}'),
        "r2": ("p", "k2", '{"data": {"source": "digits"}}'),
        "r3": ("q", "k1", '{"data": {"source": "digits"}}'),
        "r4": ("p", "k2", '{"data": {"source": "folder", "root": "uploads/u1/Häuser"}}'),
        "r5": ("p", "k1", '{"data": {"source": "dicom", "root": "ct/two"}}'),
        "r6": ("p", "k1", '{"data": {"source": "dicomweb", "dicomweb": {"url": "https://pacs.example:8042/web"}}}'),
    }
    for run, (project, key, config) in configs.items():
        connection.execute(
            text("INSERT INTO runs VALUES (:run, :project, '2026-01-01 00:00:00', :no, :no, :no, :no)"),
            {"run": run, "project": project, "no": False},
        )
        connection.execute(
            text(
                "INSERT INTO jobs (id, run_id, project, key_id, verb, config, request, state, start, attempt, created, "
                "started, ended, events_from, fingerprint) VALUES (:run, :run, :project, :key, 'run', :config, '{}', "
                "'done', 1, 1, '2026-01-01 00:00:00', '2026-01-01 00:00:10', '2026-01-01 00:01:40', 0, 'f')"
            ),
            {"run": run, "project": project, "key": key, "config": config},
        )
    connection.execute(
        text("INSERT INTO runs VALUES ('r7', 'p', '2026-01-01 00:00:00', :no, :no, :no, :no)"), {"no": False}
    )


def test_records_of_the_version_before_titles_get_sensible_ones(tmp_path: Path, database: str | None) -> None:
    url = Settings(tmp_path, database=database).database_url
    engine = create_engine(url)
    migrate(engine, "0005")
    with engine.begin() as connection:
        earlier_records(connection)
    engine.dispose()
    records = Database(url)
    with records.reading() as session:
        runs = {run.id: run for run in session.scalars(select(Run))}
        assert {name: run.title for name, run in runs.items()} == {
            "r1": "digits",
            "r2": "digits 2",
            "r3": "digits",
            "r4": "Upload of 2026-02-03 04:05",
            "r5": "ct/two",
            "r6": "pacs.example:8042",
            "r7": "run",
        }
        assert [runs[name].owner for name in ("r1", "r2", "r7")] == ["Ada", "Jürgen", ""]
        assert (runs["r2"].key_id, runs["r7"].key_id, runs["r1"].tags, runs["r1"].labels) == ("k2", None, (), ())
        assert runs["r4"].source == "folder: Upload of 2026-02-03 04:05, Häuser"
        assert runs["r4"].words.startswith("upload of 2026-02-03 04:05\nfolder: ")
        job = session.get_one(Job, "r1")
        assert (job.owner, job.seconds, job.run.title) == ("Ada", 90, "digits")
        assert session.get_one(Upload, "u1").owner == "Ada"
    with records.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    records.close()
