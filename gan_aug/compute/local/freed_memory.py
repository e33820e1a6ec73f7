"""What the C library does with memory that a worker frees, where it is glibc."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""

KEPT_BYTES = 64 * 2**20
"""Freed memory that a worker keeps; glibc allows half of it for the other threshold at most."""


def keep_freed_memory() -> None:
    """Have this process keep some of the memory it frees, for what it needs next.

    Given back to the system and faulted in again it costs a third of the time of decoding an image, and some hundredths
    of that of making one.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES // 2)
