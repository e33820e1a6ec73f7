"""Texts that a page shows once, after the form that made them: so that a reload does not send the form again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

SECONDS = 120.0
"""How long a text waits in memory for its page; then it is forgotten."""

MOST = 1000
"""How many may wait; the oldest is forgotten first."""

FORM_SECONDS, MOST_FORMS = 3600.0, 200
"""The same for forms that wait until who sent them has signed in again."""


class ShownOnce:
    """What waits to be shown, by who may see it and the id of the record."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, seconds: float = SECONDS, most: int = MOST
    ) -> None:
        self._clock, self._lock, self._seconds, self._most = clock, threading.Lock(), seconds, most
        self._waiting: dict[tuple[str, str], tuple[Any, float]] = {}

    def put(self, key_id: str, record: str, shown: Any) -> None:
        """Keep something for the next page of this key that asks for this record.

        Args:
            key_id: The key that may see it.
            record: The id of the record that it belongs to.
            shown: What is shown.
        """
        with self._lock:
            begun = self._clock()
            kept = {name: value for name, value in self._waiting.items() if begun - value[1] < self._seconds}
            while len(kept) >= self._most:
                kept.pop(next(iter(kept)))
            self._waiting = kept | {(key_id, record): (shown, begun)}

    def take(self, key_id: str, record: str) -> Any:
        """What was kept, once; None if there is nothing, or no more."""
        with self._lock:
            shown, begun = self._waiting.pop((key_id, record), (None, 0.0))
            return shown if self._clock() - begun < self._seconds else None

    def look(self, key_id: str, record: str) -> Any:
        """What was kept, which stays; None if there is nothing, or no more."""
        with self._lock:
            shown, begun = self._waiting.get((key_id, record), (None, 0.0))
            return shown if self._clock() - begun < self._seconds else None
