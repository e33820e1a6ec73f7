"""Refused keys in the audit: counted for each address, and written a few seconds later in one entry.

A request with a guessed key must not wait for who writes, and guessing must not fill the audit.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import AuditEntry

EVERY_SECONDS = 5.0
MOST_ADDRESSES = 100
"""Addresses that get an entry of their own each time; all others share one."""

ACTION = "session.refuse"


class Refusals:
    """Counts refused keys, and writes them down."""

    def __init__(self, database: Database) -> None:
        self._database, self._lock = database, threading.Lock()
        self._counts: Counter[str | None] = Counter()
        self._due = time.monotonic()

    def note(self, address: str) -> None:
        """Count one refused key of an address."""
        with self._lock:
            known = address in self._counts or len(self._counts) < MOST_ADDRESSES
            self._counts[address if known else None] += 1

    def write_if_due(self) -> None:
        """Write what was counted, if the last time was a few seconds ago."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_SECONDS
            self.write()

    def write(self) -> None:
        """Write what was counted since the last time: an entry for each address."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if counts:
            with self._database.writing() as session:
                for address, count in counts.items():
                    keys = "1 key that is not valid" if count == 1 else f"{count} keys that are not valid"
                    detail = keys if address else f"{keys}, from many other addresses"
                    session.add(AuditEntry(action=ACTION, detail=detail, address=address))
