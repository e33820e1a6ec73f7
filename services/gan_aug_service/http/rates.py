"""Rates: so many requests at once, and so many a second over time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

KNOWN = 10_000
"""Callers remembered; the one unheard of for longest is forgotten first."""


ROUNDING = 1e-6
"""What sums of fractions may lack: who waited as told is not told to wait again."""


class Buckets:
    """A token bucket for each caller: it holds `burst` tokens and gains `rate` a second; a request costs one."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> int:
        """Take a token: gives 0, or the whole seconds after which there is one."""
        with self._lock:
            level = self._level(caller)
            if level < 1 - ROUNDING:
                return max(1, math.ceil((1 - level) / self._rate))
            self._levels[caller] = (max(0.0, level - 1), self._clock())
            self._levels.move_to_end(caller)
            if len(self._levels) > KNOWN:
                self._levels.popitem(last=False)
            return 0

    def _level(self, caller: str) -> float:
        now = self._clock()
        level, when = self._levels.get(caller, (self._burst, now))
        return min(self._burst, level + (now - when) * self._rate)
