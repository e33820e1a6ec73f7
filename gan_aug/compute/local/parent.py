"""Worker processes of this machine, and how they end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

POLL_SECONDS = 0.5
"""How often a process that waits for others checks whether it should stop."""


def bind_to_parent() -> None:
    """Make this worker process ignore Ctrl-C and end when its parent ends."""
    # Ctrl-C reaches the whole process group; the parent alone decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    """Exit at once when the parent has ended: after a kill -9 of the parent nothing else would end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
