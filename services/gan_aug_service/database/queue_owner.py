"""Which state folder's service owns a database's queue: a second one would start its jobs again in its own folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from gan_aug.errors import RunConflict
from gan_aug.run.files import write_text
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import AuditEntry, QueueOwner, new_id

ID_FILE = "id"
"""The file in a state folder with the id that its database knows it by; a copy of the folder has the same id."""

LOCK_ID = 0x67616E2D617567
"""The number of PostgreSQL's advisory lock on the queue."""

TIMEOUT_SECONDS = 20.0
"""How long to wait for that lock: a server takes a moment to notice that a service was killed."""


@contextmanager
def queue_ownership(
    database: Database, state: Path, *, take_over: bool = False, timeout: float = TIMEOUT_SECONDS
) -> Iterator[None]:
    """A block in which the service of one state folder alone owns the queue of a database.

    Args:
        database: The database.
        state: The state folder.
        take_over: Make this folder the owner from now on.
        timeout: How long to wait for the lock of a PostgreSQL database, in seconds.

    Raises:
        RunConflict: Another folder owns the queue, or a service with a copy of this folder is running.
    """
    with _locked(database, timeout):
        _claim(database, _identity(state), take_over)
        yield


def _identity(state: Path) -> str:
    path = state / ID_FILE
    if not path.exists():
        write_text(path, new_id())
    return path.read_text(encoding="utf-8").strip()


def _claim(database: Database, mine: str, take_over: bool) -> None:
    with database.writing() as session:
        owner = session.get(QueueOwner, 1)
        if owner is None:
            session.add(QueueOwner(id=1, state=mine))
        elif owner.state != mine:
            if not take_over:
                raise RunConflict(
                    "the records of this database belong to a service with another --state: start it with that folder, "
                    "or name another database, or after a restore start it once with --take-over"
                )
            owner.state = mine
            session.add(AuditEntry(action="queue.take-over", target=mine))


@contextmanager
def _locked(database: Database, timeout: float) -> Iterator[None]:
    """A block with PostgreSQL's lock on the queue; SQLite needs none, since the state folder itself is locked."""
    if database.engine.dialect.name != "postgresql":
        yield
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # so that it is closed afterwards, and not pooled together with the lock
        deadline = time.monotonic() + timeout
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK_ID}):
            if time.monotonic() > deadline:
                raise RunConflict("another service owns the queue of this database: stop it first")
            time.sleep(0.5)
        yield
