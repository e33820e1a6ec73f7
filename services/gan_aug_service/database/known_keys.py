"""Keys that were recognised a moment ago, so that not every request asks the database for its key."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from gan_aug_service.database.tables import Key

SECONDS = 2.0
"""For so long a key is believed: one revoked by another process is refused after that at the latest."""

KNOWN = 1000


class KnownKeys:
    """Recognised keys by the hash of their text; all are forgotten when one is revoked in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[bytes, tuple[Key, float]] = {}
        self._forgotten = 0
        self._lock = threading.Lock()

    def get(self, text: str) -> Key | None:
        """The key that `text` was a moment ago; whoever asks sees whether it is still usable."""
        found = self._keys.get(_digest(text))
        return found[0] if found and self._clock() - found[1] < SECONDS else None

    def moment(self) -> int:
        """To be taken before a key is looked up, and given to `add`."""
        return self._forgotten

    def add(self, text: str, key: Key, moment: int) -> None:
        """Remember a key, unless one was revoked since `moment`: it may have been this one."""
        with self._lock:
            if moment == self._forgotten:
                if len(self._keys) >= KNOWN:
                    self._keys.clear()
                self._keys[_digest(text)] = key, self._clock()

    def forget(self) -> None:
        """Believe no key any more without asking the database: to be called after one was revoked."""
        with self._lock:
            self._forgotten += 1
            self._keys.clear()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
