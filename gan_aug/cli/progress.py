"""Progress of a run on the terminal: a bar a stage where there is one, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gan_aug.run.events import Event, Listener

QUIET_SECONDS = 1.0
"""Where there is no terminal, no stage prints progress more often than this."""


@contextmanager
def shown_progress() -> Iterator[Listener]:
    """Show events on stderr: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _PlainLines()
        return
    from rich.console import Console  # noqa: TID251 - the door
    from rich.progress import (  # noqa: TID251
        BarColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column  # noqa: TID251

    columns = (
        TextColumn("{task.description:16}"),
        BarColumn(bar_width=16),
        TextColumn("{task.completed:,} of {task.total:,}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(elapsed_when_finished=True, compact=True),
        TextColumn("{task.fields[detail]}", table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def show(event: Event) -> None:
            if event.kind == "progress":
                task = tasks.get((event.stage, event.unit))
                if task is None:
                    name = f"{event.stage} {event.unit}"
                    task = tasks[event.stage, event.unit] = bars.add_task(name, total=event.total, detail="")
                bars.update(task, completed=event.done, total=event.total, detail=_detail(event))
            else:
                bars.console.print(f"{event.stage}: {event.message}", markup=False, highlight=False)

        yield show


class _PlainLines:
    """Progress as lines: each start and finish, and up to ten on the way, with rate and time left."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        self._begun: dict[tuple[str, str], tuple[float, int]] = {}
        self._last = (0.0, 0)

    def __call__(self, event: Event) -> None:
        if event.kind != "progress":
            self._last = (event.time, event.done or 0)
            self._line(f"{event.stage}: {event.message}")
            return
        done, total = event.done or 0, event.total or 1
        bar = (event.stage, event.unit)  # a stage that counts files, then images, begins anew
        began, first = self._begun.setdefault(bar, self._last)
        when, tenth = self._said.get(bar, (began, 10 * first // total))
        if 10 * done // total > tenth and event.time - when >= QUIET_SECONDS:
            self._said[bar] = (event.time, 10 * done // total)
            rate = (done - first) / (event.time - began)
            left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
            self._line(f"{event.stage}: {done:,} of {total:,} {event.unit}{left}  {_detail(event)}".rstrip())
        if done == total:
            self._last = (event.time, 0)

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def _detail(event: Event) -> str:
    values = event.values
    if "rate" in values:
        return f"{values['rate']:,.0f}/s  loss D {values['loss_d']:.2f} G {values['loss_g']:.2f}"
    return event.message
