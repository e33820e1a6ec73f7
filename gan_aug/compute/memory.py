"""The memory of this machine: how much a process may still take, and how it is kept between the steps of a training."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_aug.compute.control_groups import control_groups

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of glibc's `mallopt`: how much free memory at the heap's end is kept, and from which size on a block is
asked from the system by itself."""

KEPT = 1 << 30
"""Bytes: both thresholds while a training runs."""

USUAL = 32 << 20
"""Bytes: where glibc's own thresholds end up once large blocks were freed; it raises them up to here and no further."""


def keep_freed_memory() -> None:
    """Make this process keep some of the memory it frees, to use it again; with another C library this does nothing.

    Returning memory to the system and getting it back by page faults costs a third of the time of decoding an image,
    and a few percent of the time of making one.
    """
    if libc := _glibc():
        libc.mallopt(TRIM_THRESHOLD, 2 * USUAL)
        libc.mallopt(MMAP_THRESHOLD, USUAL)


@contextmanager
def reused_memory() -> Iterator[None]:
    """Keep freed memory in this process within the block, so that the next step of a training takes it again.

    Otherwise glibc gives a tensor of some megabytes back to the system as soon as it is freed, and the system fills
    each page with zeros when it hands it out again: a tenth of a training step at 64 pixels. With another C library
    this does nothing. No result changes.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    try:
        for option in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            libc.mallopt(option, KEPT)
        yield
    finally:
        keep_freed_memory()
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process if it is glibc."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if libc and all(hasattr(libc, name) for name in ("mallopt", "malloc_trim")) else None


def available_memory() -> int | None:
    """The bytes that this process can still take: free on the machine and below its control group's limit.

    Returns:
        None if the system does not say.
    """
    found = [_meminfo(Path("/proc/meminfo"), "MemAvailable"), *map(_left, control_groups("memory"))]
    known = [value for value in found if value is not None]
    return max(0, min(known)) if known else None


def _meminfo(meminfo: Path, row: str) -> int | None:
    """A row of the system's figures: MemTotal, or MemAvailable, which it could give without swapping."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(rows[row].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _left(group: Path) -> int | None:
    """What is left below a control group's limit; its file cache counts as free. None if it has no limit."""
    v2 = (group / "memory.max").exists()
    names = ("memory.max", "memory.current") if v2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    try:
        limit, used = (int((group / name).read_text()) for name in names)
        rows = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None  # no such group here, or its limit is the word max
    return limit - used + int(rows.get("inactive_file", 0))


def machine_memory() -> int | None:
    """The bytes that the processes of this machine can have in all, at most those of this process's control group.

    Returns:
        None if the system does not say.
    """
    found = [_meminfo(Path("/proc/meminfo"), "MemTotal"), *map(_limit, control_groups("memory"))]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def _limit(group: Path) -> int | None:
    """A control group's limit; None if it has none."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int((group / name).read_text())
        except (OSError, ValueError):
            continue  # no such group here, or its limit is the word max
    return None
