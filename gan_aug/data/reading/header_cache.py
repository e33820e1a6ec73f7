"""DICOM headers in the user's cache: an import opens no file that has not changed since an earlier import.

The identifiers of patient, study and image are kept as keyed hashes only; the key is in a file in the same folder.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

KEYS_PER_QUERY = 500
"""SQLite accepts a limited number of values in one query."""


class HeaderCache:
    """Short texts by key, in the SQLite database `path`. If the database cannot be used, the cache stays empty.

    A context manager. A database that is damaged or larger than `limit` bytes is replaced by an empty one.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._database: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.chmod(0o700)
            if path.exists() and path.stat().st_size > limit:
                _remove(path)
            self._open(path)
        except (OSError, sqlite3.Error):
            self._close()

    def _open(self, path: Path) -> None:
        try:
            self._prepare(path)
        except sqlite3.OperationalError:  # locked, read-only or a full disk: the content may be undamaged
            raise
        except sqlite3.DatabaseError:
            self._close()
            _remove(path)
            self._prepare(path)

    def _prepare(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=5)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS headers (key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")

    def __enter__(self) -> HeaderCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The texts of those `keys` that are in the cache."""
        found: dict[bytes, str] = {}
        for first in range(0, len(keys) if self._database else 0, KEYS_PER_QUERY):
            some = keys[first : first + KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            try:
                found.update(self._rows(f"SELECT key, text FROM headers WHERE key IN ({marks})", some))  # noqa: S608
            except sqlite3.Error:
                self._close()
                break
        return found

    def keep(self, texts: dict[bytes, str]) -> None:
        """Add texts by key, either all of them or none."""
        if self._database is None or not texts:
            return
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", texts.items())
        except sqlite3.Error:  # a full disk must not stop an import, which needs no cache
            self._close()

    def _rows(self, query: str, values: Sequence[bytes]) -> list[tuple[bytes, str]]:
        return self._database.execute(query, values).fetchall() if self._database else []

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()


def _remove(path: Path) -> None:
    """Remove a database and the files SQLite keeps beside it: SQLite would apply their pages to the new database."""
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
