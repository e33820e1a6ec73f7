"""Whose turn it is: projects in turn, within a project its people in turn, and short jobs beside long ones."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from gan_aug.config import Config

SHORT_VERBS = {"import", "generate", "audit"}
FEW_IMAGES = 20_000
"""Images of each label, or in all, that a short job makes at most."""

SHORT_FOR = timedelta(minutes=10)
"""A job that was thought to be short and works longer than this counts as a long one."""


@dataclass(frozen=True)
class Waiting:
    """A job that waits: of which project and person, and whether an administrator put it before or behind others."""

    id: str
    project: str
    person: str
    short: bool = False
    turn: int = 0
    """0 for most; jobs of a higher number come first."""


@dataclass
class Served:
    """What projects and people had of the queue until now."""

    working: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Jobs that are at work, by (project,) and by (project, person)."""
    last: dict[tuple[str, ...], float] = field(default_factory=dict)
    """When a job of theirs was last started, in seconds since 1970, by the same."""

    def add(self, project: str, person: str, started: float, *, working: bool) -> None:
        """Count a job that was started.

        Args:
            project: Its project.
            person: Who asked for it.
            started: When it was started.
            working: Whether it is at work.
        """
        for who in ((project,), (project, person)):
            self.last[who] = max(started, self.last.get(who, 0.0))
            self.working[who] = self.working.get(who, 0) + working


@dataclass(frozen=True)
class Room:
    """How many jobs may work at once: `long` of them of any length, and `short` more that are short."""

    long: int
    short: int

    def takes(self, working_long: int, working: int) -> str:
        """What may start now: `any`, `short` or `none`.

        Args:
            working_long: Jobs at work that are long, or took longer than a short one does.
            working: All jobs at work.
        """
        if working >= self.long + self.short:
            return "none"
        return "any" if working_long < self.long else "short"


def is_short(verb: str, config: Config) -> bool:
    """Whether a job is expected to be short: an import, an audit, or a few synthetic images."""
    counts = config.synthesis.counts
    few = isinstance(counts, str) or (sum(counts.values()) if isinstance(counts, dict) else counts) <= FEW_IMAGES
    return verb in SHORT_VERBS and (verb != "generate" or few)


def in_order(waiting: Iterable[Waiting], served: Served) -> list[Waiting]:
    """The jobs that wait in the order in which they start, if all take equally long.

    Those that an administrator put first come first. Then it is the turn of the project with the fewest jobs at work,
    and among equals of the one that had its last turn the longest time ago; within it that of the person, by the same
    rule; and of that person's jobs the oldest comes first.

    Args:
        waiting: The jobs.
        served: What their projects and people had until now.
    """
    levels: dict[int, dict[str, dict[str, deque[Waiting]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(deque))
    )
    for job in sorted(waiting, key=lambda job: job.id):
        levels[job.turn][job.project][job.person].append(job)
    working, last = dict(served.working), dict(served.last)
    clock = max(last.values(), default=0.0)
    order = []

    def rank(*who: str) -> tuple[int, float]:
        return working.get(who, 0), last.get(who, 0.0)

    for turn in sorted(levels, reverse=True):
        projects = levels[turn]
        while projects:
            project = min(projects, key=lambda name: (*rank(name), _oldest(projects[name])))
            people = projects[project]
            person = min(people, key=lambda name: (*rank(project, name), people[name][0].id))
            order.append(people[person].popleft())
            clock += 1
            for who in ((project,), (project, person)):
                working[who], last[who] = working.get(who, 0) + 1, clock
            if not people[person]:
                del people[person]
            if not people:
                del projects[project]
    return order


def _oldest(people: dict[str, deque[Waiting]]) -> str:
    return min(jobs[0].id for jobs in people.values())


def places(order: list[Waiting], *, apart: bool = True) -> dict[str, int]:
    """The place of each job in the queue, from 1; that of a short job among the short ones if they have room apart."""
    found, shorts = {}, 0
    for number, job in enumerate(order, 1):
        shorts += job.short
        found[job.id] = shorts if job.short and apart else number
    return found
