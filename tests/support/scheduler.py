"""In which process a test runs if there are several, and when: pytest-xdist's part of `make test`."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

ON_RAY = "tests/cluster"


class ByFile(LoadScopeScheduling):
    """Tests of one file run in one process, for what they share; so do all that share a Ray cluster."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return ON_RAY if file.is_relative_to(ON_RAY) else str(file)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the files, so that no process is left with a long one in the end: Ray, then slow ones, then servers."""
    first = {item.path: 3 for item in items}
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        order = 0 if "ray" in marks else 1 if "slow" in marks else 2 if "server" in marks else 3
        first[item.path] = min(first[item.path], order)
    items.sort(key=lambda item: first[item.path])
