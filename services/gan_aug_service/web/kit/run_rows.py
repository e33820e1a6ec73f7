"""The runs behind the pages of data sets, models, synthetic sets and reports: found, and each told of in a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gan_aug.errors import GanAugError
from gan_aug_service.http.problems import Problem
from gan_aug_service.parts import Parts
from gan_aug_service.products import summaries as products
from gan_aug_service.records import jobs
from gan_aug_service.schemas import DatasetOut, RunOut
from gan_aug_service.web.kit.visitor import Visitor

LISTED = 20
"""Runs on a page of a list: each is read from its folder the first time."""

UNREADABLE = "its files cannot be read, or were removed by hand"
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Row(Generic[Facts]):
    """A run in a list, with what stands in its folder, or why that cannot be told."""

    run: RunOut
    facts: Facts | None
    fault: str | None


def found(visitor: Visitor, parts: Parts, run_id: str, noun: str) -> RunOut:
    """The run of an id, where the visitor may see it and it holds this product; raises Problem where there is none."""
    with parts.database.reading() as session:
        return RunOut.of(jobs.find_run(session, visitor.caller, run_id, noun, noun))


def rows(parts: Parts, runs: Iterable[RunOut], read: Callable[[Path], Facts]) -> list[Row[Facts]]:
    """The runs of a list with what `read` says of their folders: one that is torn hides no other."""
    return [_row(parts, run, read) for run in runs]


def data_of(folder: Path) -> DatasetOut | None:
    """The data set in a run folder; None where there is none to read."""
    try:
        return products.dataset(folder)
    except (GanAugError, OSError, Problem):
        return None


def _row(parts: Parts, run: RunOut, read: Callable[[Path], Facts]) -> Row[Facts]:
    try:
        return Row(run, read(parts.settings.runs / run.id), None)
    except GanAugError as error:
        return Row(run, None, parts.settings.without_places(str(error)))
    except (OSError, Problem):
        return Row(run, None, UNREADABLE)
