"""Stopping a run by a signal: Ctrl-C on a terminal, SIGTERM from whoever started the process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gan_aug.run.folder import RunDir


@contextmanager
def stopped_by_signals(run: RunDir) -> Iterator[None]:
    """Within a block the first SIGINT or SIGTERM ends the run at its next safe point, and the second at once.

    For the main thread alone: no other may handle signals.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        run.stop()
        print("gan-aug: stopping at the next safe point; once more to stop at once", file=sys.stderr)  # noqa: T201
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
