"""Progress of a run on the terminal: a bar for each stage, or plain lines if stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gan_aug.run.events import Event, Listener
from gan_aug.run.progress import ProgressLines, detail


@contextmanager
def shown_progress() -> Iterator[Listener]:
    """Show events on stderr within a block: bars on a terminal, else plain lines."""
    if not sys.stderr.isatty():
        yield ProgressLines()
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
                bars.update(task, completed=event.done, total=event.total, detail=detail(event))
            else:
                bars.console.print(f"{event.stage}: {event.message}", markup=False, highlight=False)

        yield show
