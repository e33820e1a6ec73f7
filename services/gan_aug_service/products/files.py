"""The files of a run folder: which products they are, and what to answer if they were removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from gan_aug_service.http.problems import Problem

PRODUCTS = ("dataset", "model", "synthetic", "report")
"""What a run folder may hold; the columns of the table of runs have the same names."""


@contextmanager
def missing_as_not_found(run: Path) -> Iterator[None]:
    """A block that reads files of the run folder `run`; if one is missing, it raises Problem with 404."""
    try:
        yield
    except FileNotFoundError:
        raise files_removed(run) from None


def modified_ns(run: Path, name: str) -> int:
    """When a file of a run folder was written, in nanoseconds; raises Problem if it was removed."""
    with missing_as_not_found(run):
        return (run / name).stat().st_mtime_ns


def files_removed(run: Path) -> Problem:
    """The Problem of a run whose files were removed, by the service or by hand."""
    return Problem(HTTPStatus.NOT_FOUND, f"the files of the run {run.name} were removed: make them with a new job")
