"""Which state folder's service keeps a database's queue: a second one would start its jobs again, in its own folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from gan_aug.errors import RunConflict
from gan_aug.run.files import write_text
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import AuditEntry, Keeper, new_id

NAME = "id"
"""The file in a state folder with the id that its database knows it by; a copy of the folder has the same."""

LOCK = 0x67616E2D617567
"""The number of the advisory lock, which is PostgreSQL's for the whole database."""

PATIENCE = 20.0
"""Seconds to wait for that lock: a server takes a moment to see that a service was killed."""


@contextmanager
def kept(database: Database, state: Path, *, take_over: bool = False, patience: float = PATIENCE) -> Iterator[None]:
    """The queue of `database` for the service of the folder `state` alone, for the length of a block.

    With `take_over` it is that folder's from now on. Raises RunConflict where it is another one's, or another service
    with a copy of the folder is at work.
    """
    with _locked(database, patience):
        _claim(database, _identity(state), take_over)
        yield


def _identity(state: Path) -> str:
    path = state / NAME
    if not path.exists():
        write_text(path, new_id())
    return path.read_text(encoding="utf-8").strip()


def _claim(database: Database, mine: str, take_over: bool) -> None:
    with database.writing() as session:
        keeper = session.get(Keeper, 1)
        if keeper is None:
            session.add(Keeper(id=1, state=mine))
        elif keeper.state != mine:
            if not take_over:
                raise RunConflict(
                    "the records of this database belong to a service with another --state: start it with that folder, "
                    "or name another database, or after a restore start it once with --take-over"
                )
            keeper.state = mine
            session.add(AuditEntry(action="queue.take-over", target=mine))


@contextmanager
def _locked(database: Database, patience: float) -> Iterator[None]:
    """PostgreSQL's lock on the queue; SQLite's file lies in the state folder, which is locked itself."""
    if database.engine.dialect.name != "postgresql":
        yield
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed afterwards, and not lent to others with the lock
        deadline = time.monotonic() + patience
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
            if time.monotonic() > deadline:
                raise RunConflict("another service keeps the queue of this database: stop it first")
            time.sleep(0.5)
        yield
