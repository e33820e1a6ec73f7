"""Lists of runs, jobs and uploads: which records they show, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, func, or_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from gan_aug_service.database.described import folded
from gan_aug_service.database.tables import Job, Run, Upload

MOST_WORDS = 10


class Sort(StrEnum):
    """In which order a list is given. `longest` is for jobs: by the time that they took."""

    NEWEST = "newest"
    OLDEST = "oldest"
    TITLE = "title"
    OWNER = "owner"
    LONGEST = "longest"


@dataclass(frozen=True)
class Wanted:
    """Which records a list shows, and in which order; an empty text leaves them all."""

    q: str = ""
    """Words that the title, source, tags, notes, labels or verdict hold."""
    project: str = ""
    owner: str = ""
    """The name of who made it."""
    tag: str = ""
    label: str = ""
    """Of runs: a label of the data set."""
    sort: Sort = Sort.NEWEST


EVERYTHING = Wanted()
"""All records, the newest first."""


class Order(NamedTuple):
    """A column to sort by; the id decides between equal values."""

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    descending: bool


def filtered(query: Select[Any], wanted: Wanted, table: type[Run | Job | Upload]) -> Select[Any]:
    """A query, restricted to what is wanted.

    Args:
        query: It selects from `table`; of jobs, joined with their runs.
        wanted: What is wanted.
        table: The table.

    Returns:
        The query.
    """
    named = Upload if table is Upload else Run
    for word in folded(wanted.q).split()[:MOST_WORDS]:
        found = named.words.contains(word, autoescape=True)
        query = query.where(or_(found, func.lower(Job.owner) == word, Job.id == word) if table is Job else found)
    if wanted.project:
        query = query.where(table.project == wanted.project)
    if wanted.owner:
        query = query.where(table.owner == wanted.owner)
    if wanted.tag:
        query = query.where(_holds(named.tags, wanted.tag.strip().lower()))
    if wanted.label and named is Run:
        query = query.where(_holds(Run.labels, wanted.label.strip()))
    return query


def order_of(wanted: Wanted, table: type[Run | Job | Upload]) -> Order:
    """The order that is wanted of a table; `longest` of what takes no time means the newest."""
    match wanted.sort:
        case Sort.TITLE:
            return Order((Upload if table is Upload else Run).words, False)
        case Sort.OWNER:
            return Order(table.owner, False)
        case Sort.LONGEST if table is Job:
            return Order(func.coalesce(Job.seconds, -1), True)
        case _:
            return Order(table.id, wanted.sort is not Sort.OLDEST)


def _holds(column: InstrumentedAttribute[Any], line: str) -> ColumnElement[bool]:
    """Whether a column of lines has this one."""
    return type_coerce(column, Text).contains(f"\n{line}\n", autoescape=True)
