"""Files of a run folder that may be gone: removed by the service, or by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from gan_aug_service.http.problems import Problem


@contextmanager
def still_there(run: Path) -> Iterator[None]:
    """A block that reads files of the run folder `run`; raises Problem, a 404, where one is not there any more."""
    try:
        yield
    except FileNotFoundError:
        raise gone(run) from None


def written(run: Path, name: str) -> int:
    """When a file of a run folder was written, in nanoseconds; raises Problem where it is not there any more."""
    with still_there(run):
        return (run / name).stat().st_mtime_ns


def gone(run: Path) -> Problem:
    """The Problem of a run whose files are not there any more."""
    return Problem(HTTPStatus.NOT_FOUND, f"the files of the run {run.name} were removed: make them with a new job")
