"""What `make test` leaves to `make test-all`: tests marked `server` or `slow`, and what keeps the marks true.

A test that starts a server without the mark fails at that, and one that takes long without the mark fails for it, so
that a newcomer's `make test` stays quick by itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest

SERVERS = {"browser", "nginx", "oidc", "orthanc", "postgres", "prometheus", "ray", "s3"}
"""Marks of programs that serve; each implies the mark `server`."""

SECONDS = 120
"""Processor time, with that of ended children, after which a test is slow: many times what a quick one takes, since
processors differ, and since the first test of a process loads PyTorch."""

_may_start_servers = True  # outside tests


def add_implied_marks(items: Collection[pytest.Item]) -> None:
    """Mark what needs a server's program as `server`."""
    for item in items:
        if SERVERS & {mark.name for mark in item.iter_markers()}:
            item.add_marker("server")


@contextmanager
def held_to_its_marks(item: pytest.Item) -> Iterator[None]:
    """Within: a test's set-up, or its call. Fails it if it starts or takes what its marks do not say."""
    global _may_start_servers  # noqa: PLW0603 - one test runs at a time in a process
    _may_start_servers = item.get_closest_marker("server") is not None
    begun = processor_seconds()
    try:
        yield
    finally:
        _may_start_servers = True  # what is taken down may end and begin as it likes
    taken = processor_seconds() - begun
    if taken > SECONDS and not {"server", "slow"} & {mark.name for mark in item.iter_markers()}:
        pytest.fail(f"it took {taken:.0f} s of processor time: mark it `slow`, or make it quicker", pytrace=False)


def starts_server(what: str) -> None:
    """To be called by whatever starts a server for a test; fails the test if it is not marked `server`."""
    if not _may_start_servers:
        pytest.fail(f"it starts {what}: mark it `server`, so that `make test` leaves it out")


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])
