"""A setting of glibc's memory allocator for worker processes; other C libraries are left as they are."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameter numbers of mallopt, from glibc's malloc.h."""

KEPT_BYTES = 64 * 2**20
"""Freed memory that a worker keeps; glibc allows at most half of it for the other threshold."""


def keep_freed_memory() -> None:
    """Make this process keep some of the memory it frees, to use it again.

    Returning memory to the system and getting it back by page faults costs a third of the time of decoding an image,
    and a few percent of the time of making one.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES // 2)
