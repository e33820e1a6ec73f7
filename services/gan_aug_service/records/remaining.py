"""How long a job still takes: by how far it is, and by what was expected of the stages that are still to come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gan_aug.run.events import Event
from gan_aug_service.openapi.checks import duration_in_words
from gan_aug_service.queue.event_stream import read_lines

ENOUGH = 0.03
"""From this part of a stage on, its own progress tells how long it takes."""

MOST_OFF = 3.0
"""So many times faster or slower than expected the later stages are taken to be, at most."""


NEARLY = 5.0
"""Seconds below which no number is said."""

NAMES = {"dataset": "import", "synthetic": "generate"}
"""What an estimate calls the stages that events call otherwise."""


@dataclass(frozen=True)
class Remaining:
    """The seconds that each stage still takes; `whole` if none is missing that is still to come."""

    stages: dict[str, float]
    whole: bool

    @property
    def words(self) -> str:
        """As a sentence has it: `about 12 min left: train 7 min, compare 5 min`."""
        if not self.stages:
            return "how long it takes is not known yet"
        total = sum(self.stages.values())
        if total < NEARLY:
            return "nearly done" if self.whole else "nearly done with this stage"
        parts = [f"{name} {duration_in_words(left)}" for name, left in self.stages.items() if left >= total / 20]
        if not self.whole:
            return f"about {' and '.join(parts) or duration_in_words(total)} left in this stage"
        return f"about {duration_in_words(total)} left" + (f": {', '.join(parts)}" if len(parts) > 1 else "")


def remaining(expected: dict[str, float], events: list[Event], since: float, now: float) -> Remaining:
    """How long a job still takes.

    Args:
        expected: The seconds that each stage was expected to take, in their order; empty if nobody knows.
        events: What happened in the run since the job began.
        since: When the job was started last, in seconds since 1970; what happened before is no measure of its speed.
        now: The present time.

    Returns:
        What is left. A stage that nothing is known of is left out.
    """
    begun, ended, left, pace = dict[str, Event](), set[str](), dict[str, float](), 1.0
    newest = dict[str, Event]()
    for event in events:
        if event.kind == "note":
            continue
        stage = NAMES.get(event.stage, event.stage)
        if event.time >= since:
            begun.setdefault(stage, event)
        newest[stage] = event
        (ended.add if event.kind == "finish" else ended.discard)(stage)
    for stage, last in newest.items():
        first = begun.get(stage)
        if stage in ended or first is None:
            continue
        elapsed, part = max(now - first.time, 0.0), _part(last) - _part(first)
        if part >= ENOUGH and _part(last) < 1:
            measured = (last.time - first.time) / part
            left[stage] = max(0.0, (1 - _part(last)) * measured - (now - last.time))
            if expected.get(stage):
                pace = min(MOST_OFF, max(1 / MOST_OFF, measured / expected[stage]))
        elif stage in expected:
            left[stage] = max(0.0, expected[stage] - elapsed)
    later = [stage for stage in expected if stage not in newest and (stage != "start" or not newest)]
    left |= {stage: expected[stage] * pace for stage in later}
    order = [*expected, *(stage for stage in left if stage not in expected)]
    ordered = {stage: left[stage] for stage in order if stage in left}
    return Remaining(ordered, bool(expected))


def _part(event: Event) -> float:
    """How far a stage is at an event, from 0 to 1."""
    if event.kind == "progress" and event.total:
        return (event.done or 0) / event.total
    return 0.0


def read_events(path: Path, begin: int, end: int | None) -> list[Event]:
    """The events in a file; a line that is not complete is left out.

    Args:
        path: The run's events.jsonl.
        begin: Where to begin, in bytes.
        end: Where to end, in bytes; None for the end of the file.

    Returns:
        The events.
    """
    events, position = [], begin
    while True:
        lines, position = read_lines(path, position, end)
        for _, line in lines:
            try:
                # Without the service's own paths.
                events.append(Event.from_json(line.replace(f"{path.parent}/", "")))
            except (ValueError, TypeError):
                continue
        if not lines:
            return events
