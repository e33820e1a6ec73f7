"""A cache of keys that were recognised a moment ago: not every request has to ask the database for its key."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from gan_aug_service.database.tables import Key

SECONDS = 2.0
"""How long a key stays in the cache: one that another process revoked is refused after that time at the latest."""

MAX_KEYS = 1000


class KeyCache:
    """Recognised keys by the hash of their text; the cache is cleared when this process revokes one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[bytes, tuple[Key, float]] = {}
        self._generation = 0
        self._lock = threading.Lock()

    def get(self, text: str) -> Key | None:
        """The key with this text, if it is in the cache; the caller checks whether it is still usable."""
        found = self._keys.get(_digest(text))
        return found[0] if found and self._clock() - found[1] < SECONDS else None

    def generation(self) -> int:
        """The cache's generation; read it before a key is looked up, and give it to `add`."""
        return self._generation

    def add(self, text: str, key: Key, generation: int) -> None:
        """Add a key that was looked up.

        It is not added if a key was revoked since the look-up: it may have been this one.

        Args:
            text: The key's text.
            key: The key.
            generation: The cache's generation before the look-up.
        """
        with self._lock:
            if generation == self._generation:
                if len(self._keys) >= MAX_KEYS:
                    self._keys.clear()
                self._keys[_digest(text)] = key, self._clock()

    def clear(self) -> None:
        """Remove all keys; to be called after one was revoked."""
        with self._lock:
            self._generation += 1
            self._keys.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
