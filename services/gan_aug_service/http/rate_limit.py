"""Rate limits: a number of requests at once, and a number a second over time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 10_000
"""Keys that are remembered; the one that was unused for longest is forgotten first."""

ROUNDING = 1e-6
"""Rounding error that is allowed: a client that waited as long as it was told is not refused again."""


class RateLimiter:
    """A token bucket for each key: it holds `burst` tokens and gains `rate` a second, and a request takes one."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Take a token of `key`; returns 0, or the whole seconds after which there will be one."""
        with self._lock:
            level = self._level(key)
            if wait := self._wait(level):
                return wait
            self._levels[key] = (max(0.0, level - 1), self._clock())
            self._levels.move_to_end(key)
            if len(self._levels) > MAX_KEYS:
                self._levels.popitem(last=False)
            return 0

    def wait(self, key: str) -> int:
        """What `take` would return now; no token is taken."""
        with self._lock:
            return self._wait(self._level(key))

    def _wait(self, level: float) -> int:
        return max(1, math.ceil((1 - level) / self._rate)) if level < 1 - ROUNDING else 0

    def _level(self, key: str) -> float:
        now = self._clock()
        level, since = self._levels.get(key, (self._burst, now))
        return min(self._burst, level + (now - since) * self._rate)
