"""Progress of a run as lines of text, for a log or a notebook."""

from __future__ import annotations

import sys

from gan_aug.run.events import Event, Listener, Progress

QUIET_SECONDS = 1.0
"""No stage prints its progress more often than this."""


class ProgressLines:
    """A listener that prints events on stderr: each start and finish, and up to ten lines on the way.

    Those on the way say how far the stage is, and how long it will still take.
    """

    def __init__(self) -> None:
        self._printed: dict[tuple[str, str], tuple[float, int]] = {}
        self._begun: dict[tuple[str, str], tuple[float, int]] = {}
        self._last = (0.0, 0)

    def __call__(self, event: Event) -> None:
        """Print a line for the event, unless one was printed a moment ago."""
        if event.kind != "progress":
            self._last = (event.time, event.done or 0)
            self._line(f"{event.stage}: {event.message}")
            return
        done, total = event.done or 0, event.total or 1
        counted = (event.stage, event.unit)  # a stage that counts files, then images, begins anew
        began, first = self._begun.setdefault(counted, self._last)
        when, tenth = self._printed.get(counted, (began, 10 * first // total))
        if 10 * done // total > tenth and event.time - when >= QUIET_SECONDS:
            self._printed[counted] = (event.time, 10 * done // total)
            rate = (done - first) / (event.time - began)
            left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
            self._line(f"{event.stage}: {done:,} of {total:,} {event.unit}{left}  {detail(event)}".rstrip())
        if done == total:
            self._last = (event.time, 0)

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is what it is for


def detail(event: Event) -> str:
    """What a progress event says beside its count: rate and losses of a training, else its message."""
    values = event.values
    if "rate" in values:
        which = f"{event.message} " if event.message else ""  # which of several GANs
        return f"{values['rate']:,.0f}/s  {which}loss D {values['loss_d']:.2f} G {values['loss_g']:.2f}"
    return event.message


def default_listener() -> Listener:
    """Lines on stderr if somebody is there to read them, in a console, a notebook or a terminal; else nothing."""
    return ProgressLines() if hasattr(sys, "ps1") or sys.stderr.isatty() else lambda _: None


def audit_progress(listener: Listener) -> Progress:
    """Tells a listener of an audit that no run folder records: called with (images done, images in all)."""
    begun = False

    def tell(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            listener(Event("audit", "start", f"comparing {total:,} images with those of the training"))
        begun = True
        listener(Event("audit", "progress", "", done, total, "images"))

    return tell
