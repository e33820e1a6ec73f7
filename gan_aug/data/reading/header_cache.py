"""Headers looked at before, kept in the user's cache: an import of files that did not change opens none of them.

What a header says of a patient, study or image is in there as hashes under the key beside it, as it is in memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

ASKED = 500
"""Keys asked for in one query: SQLite takes a limited number of them."""


class HeaderCache:
    """Short texts by key, in the SQLite database at `path`; where that cannot be used, it holds and keeps nothing.

    A context manager. A database larger than `limit` bytes starts afresh, and so does one that is damaged.
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
            self._give_up()

    def _open(self, path: Path) -> None:
        try:
            self._prepare(path)
        except sqlite3.OperationalError:  # locked, read-only, a full disk: what is kept may be whole
            raise
        except sqlite3.DatabaseError:
            self._give_up()
            _remove(path)
            self._prepare(path)

    def _prepare(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=5)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS headers (key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")

    def __enter__(self) -> HeaderCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The texts that are there, by key."""
        found: dict[bytes, str] = {}
        for first in range(0, len(keys) if self._database else 0, ASKED):
            asked = keys[first : first + ASKED]
            marks = ",".join("?" * len(asked))
            try:
                found.update(self._rows(f"SELECT key, text FROM headers WHERE key IN ({marks})", asked))  # noqa: S608
            except sqlite3.Error:
                self._give_up()
                break
        return found

    def keep(self, texts: dict[bytes, str]) -> None:
        """Keep texts by key, all of them or none."""
        if self._database is None or not texts:
            return
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", texts.items())
        except sqlite3.Error:  # a full disk must not end an import that needs no cache
            self._give_up()

    def _rows(self, query: str, values: Sequence[bytes]) -> list[tuple[bytes, str]]:
        return self._database.execute(query, values).fetchall() if self._database else []

    def _give_up(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()


def _remove(path: Path) -> None:
    """Remove a database with the files SQLite keeps beside it, whose pages would be taken for a new one's."""
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
