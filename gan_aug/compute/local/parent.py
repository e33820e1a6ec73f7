"""What worker processes of this machine share: their end with their parent, and how many cores there are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

POLL_SECONDS = 0.5


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def attend_parent() -> None:
    """Make this worker process leave Ctrl-C to its parent, and end with it."""
    # Ctrl-C reaches the whole process group; the parent decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave at once when the parent is gone: after its kill -9 nobody else would end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
