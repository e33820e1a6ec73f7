"""The database: sessions that read, sessions that write, and the migrations that make its tables."""

from __future__ import annotations

import logging
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gan_aug.errors import StorageError

WAIT_SECONDS = 10
"""How long SQLite waits for another writer."""

START_SECONDS = 30.0
"""How long a service that starts waits for a database server that is not up yet: both may start with the machine."""

log = logging.getLogger(__name__)


class Database:
    """One database with its tables; several threads may use it."""

    def __init__(self, url: str, *, connections: int = 40, upgrade: bool = True) -> None:
        """Open the database and bring its tables up to date.

        Args:
            url: Its SQLAlchemy address.
            connections: How many connections to a server it may hold at once.
            upgrade: If false, the tables are only checked, and must be up to date.

        Raises:
            StorageError: The database does not answer, or is of another version.
        """
        self.engine = _engine(url, connections)
        self._writing = self.engine.execution_options(begin="IMMEDIATE")
        try:
            migrate(self.engine) if upgrade else self._check()
        except DBAPIError as error:
            # The driver's message may hold the address, which may hold a password.
            raise StorageError(
                f"the database at {self.engine.url.render_as_string(hide_password=True)} cannot be used "
                f"({type(error.orig).__name__}): check that it runs, its name, user and password"
            ) from None
        except CommandError:  # this program does not know that version
            raise self._other_version() from None

    def _check(self) -> None:
        with self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        if found != ScriptDirectory.from_config(_migrations()).get_current_head():
            raise self._other_version()

    def _other_version(self) -> StorageError:
        with self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        return StorageError(
            f"the database is of version {found or 'none'}, and this program of "
            f"{ScriptDirectory.from_config(_migrations()).get_current_head()}: install the version of the service that "
            "keeps it, or restore the copy made before it was upgraded"
        )

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and writes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end of the block, or not at all if it fails."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def overwrite_deleted(self) -> None:
        """Let nothing that was deleted or changed be read from SQLite's files any more; a server has its own means.

        SQLite overwrites what is deleted with zeros (`secure_delete`), but the write-ahead log keeps older pages until
        it is emptied. A reader at that moment delays it to the next time.
        """
        if self.engine.dialect.name == "sqlite":
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()

    def answers(self) -> bool:
        """Whether the database answers a query."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (OperationalError, PoolTimeout):
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def wait_for_server(url: str, seconds: float = START_SECONDS) -> None:
    """Wait, at most `seconds`, until a server listens at the database's address; other faults are not waited for."""
    address, deadline, logged = make_url(url), time.monotonic() + seconds, False
    while address.host and "/" not in address.host and time.monotonic() < deadline:
        try:
            socket.create_connection((address.host, address.port or 5432), timeout=seconds).close()
        except (ConnectionRefusedError, socket.gaierror):
            if not logged:
                log.warning("waiting for the database", extra={"host": address.host, "seconds": seconds})
            logged = True
            time.sleep(0.5)
        except OSError:
            return
        else:
            return


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision`, in one transaction if the database can do that."""
    config = _migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _migrations() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option(
        "script_location", str(files("gan_aug_service.database").joinpath("migrations")).replace("%", "%%")
    )
    return config


def _engine(url: str, connections: int) -> Engine:
    if not url.startswith("sqlite"):
        pooled = -(-connections // 2)
        return create_engine(url, pool_size=pooled, max_overflow=connections - pooled, pool_pre_ping=True)
    engine = create_engine(url, pool_size=20, max_overflow=20, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    del record
    connection.isolation_level = None  # transactions begin in _begin_sqlite, not in the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails, without waiting, if another one wrote in between.
    kind = connection.get_execution_options().get("begin", "")
    connection.exec_driver_sql(f"BEGIN {kind}")
