"""The runs behind the pages of data sets, models, synthetic sets and reports: one found, or many in a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gan_aug.errors import GanAugError
from gan_aug_service.components import Components
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.schemas import DatasetOut
from gan_aug_service.products import summaries
from gan_aug_service.records import jobs
from gan_aug_service.web.kit.page_user import PageUser

PAGE_SIZE = 20
"""Runs on a page of a list; few, since each is read from its folder the first time."""

UNREADABLE = "its files cannot be read, or were removed by hand"
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Row(Generic[Facts]):
    """A run in a list, with what its folder holds, or why that cannot be read."""

    run: RunOut
    facts: Facts | None
    fault: str | None


def find_run(user: PageUser, components: Components, run_id: str, product: str) -> RunOut:
    """The run of an id that holds a product.

    Args:
        user: Who asks.
        components: The service's components.
        run_id: The run.
        product: The product.

    Returns:
        The run.

    Raises:
        Problem: There is none, the user cannot see it, or it does not hold the product.
    """
    with components.database.reading() as session:
        return RunOut.of(jobs.find_run(session, user.principal, run_id, product, product))


def run_rows(components: Components, runs: Iterable[RunOut], read: Callable[[Path], Facts]) -> list[Row[Facts]]:
    """The rows of a list of runs; a run that cannot be read does not hide the others.

    Args:
        components: The service's components.
        runs: The runs.
        read: Reads what the list shows of a run folder.

    Returns:
        A row for each run.
    """
    return [_row(components, run, read) for run in runs]


def read_dataset(folder: Path) -> DatasetOut | None:
    """The data set in a run folder; None if there is none, or if it cannot be read."""
    try:
        return summaries.dataset(folder)
    except (GanAugError, OSError, Problem):
        return None


def _row(components: Components, run: RunOut, read: Callable[[Path], Facts]) -> Row[Facts]:
    try:
        return Row(run, read(components.settings.runs / run.id), None)
    except GanAugError as error:
        return Row(run, None, components.settings.hide_paths(str(error)))
    except (OSError, Problem):
        return Row(run, None, UNREADABLE)
