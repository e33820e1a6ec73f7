"""A copy of records and folders, taken while the service works, is a service again (docs/how-to/service.md)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy import select

from gan_aug.run.folder import RunDir
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import AuditEntry, Base, Job, Key
from gan_aug_service.queue.runner import JobRef
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.settings import Limits, Settings
from tests.support.service.service_samples import TINY, Service


def back_up(service: Service, folder: Path) -> None:
    """The commands of the how-to: the database first, then the folders."""
    url = service.settings.database
    if url:
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        dump = [programs / "pg_dump", "--format=custom", f"--file={folder / 'service.dump'}", url]
        subprocess.run(dump, check=True, capture_output=True)
    else:
        connection = sqlite3.connect(service.settings.state / "service.db")
        connection.execute("VACUUM INTO ?", (str(folder / "service.db"),))
        connection.close()
    leave = shutil.ignore_patterns("service.db*", ".lock")
    shutil.copytree(service.settings.state, folder / "folders", ignore=leave)


def restore(folder: Path, state: Path, server: str | None) -> str | None:
    """The other way round, into `state` and a database of its own; gives that one's address."""
    shutil.copytree(folder / "folders", state)
    if server is None:
        shutil.copy(folder / "service.db", state)
        return None
    import psycopg

    address = f"{server}/restored_{os.urandom(6).hex()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {address.rpartition('/')[2]}")
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    command = [programs / "pg_restore", f"--dbname={address}", folder / "service.dump"]
    subprocess.run(command, check=True, capture_output=True)
    return address


class Idle:
    """A Runner that starts nothing and remembers what it was to start."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, ref: JobRef) -> None:
        self.started.append(ref.job_id)


def test_a_restored_service_has_the_same_records_and_goes_on(service: Service, tmp_path: Path, limits: Limits) -> None:
    jobs = [service.submit("train")["id"] for _ in range(3)]
    service.call("DELETE", f"/v1/jobs/{jobs[2]}")
    run = RunDir(service.settings.runs / jobs[0])
    run.emit("train", "start", "before the copy")
    with service.components.database.writing() as session:
        job = session.get_one(Job, jobs[0])
        job.state, job.started = "running", job.created  # at work when the copy is taken
    (tmp_path / "copy").mkdir()
    back_up(service, tmp_path / "copy")
    service.submit("import")  # after the copy: not in it

    server = service.settings.database and service.settings.database.rpartition("/")[0]
    database = restore(tmp_path / "copy", tmp_path / "restored", server)
    settings = Settings(tmp_path / "restored", data=service.settings.data, database=database, jobs=1, nice=0)
    restored = Database(settings.database_url)
    with restored.reading() as session, service.components.database.reading() as before:
        assert set(session.scalars(select(Job.id))) == set(jobs)
        for table in (Key, AuditEntry):
            kept = {row.id: vars(row) for row in session.scalars(select(table))}
            for identifier, values in kept.items():
                row = before.get_one(table, identifier)
                columns = [column.name for column in Base.metadata.tables[table.__tablename__].columns]
                columns = [name for name in columns if name != "last_used"]  # the service went on after the copy
                assert [values[name] for name in columns] == [getattr(row, name) for name in columns]
    restored.close()
    with Service(tmp_path / "restored", database, limits) as again:
        headers = {"Authorization": f"Bearer {service.keys['editor']}"}  # the old keys
        listed = again.call("GET", "/v1/jobs", None, headers=headers).json()["items"]
        assert {row["id"]: row["state"] for row in listed} == dict(
            zip(jobs, ("running", "queued", "cancelled"), strict=True)
        )
        assert "before the copy" in again.call("GET", f"/v1/jobs/{jobs[0]}/events?wait=false", "admin").text
        idle = Idle()
        runner = type(again.components.supervisor._runner)(again.settings)
        runner.start = idle.start  # type: ignore[method-assign]
        Supervisor(again.settings, again.components.database, runner).tick()
        assert idle.started == [jobs[0]], "it was at work, and its process is gone: it goes on first"
        asked = (again.settings.runs / jobs[0] / "request.json").read_text()
        assert f'"images": {TINY["train"]["images"]}' in asked
