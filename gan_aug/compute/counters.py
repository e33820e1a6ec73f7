"""Counts of what was made, for whoever watches the process that makes it."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[str, int], None]

_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Have `watcher(what, amount)` called at every count in this process from now on."""
    _watchers.append(watcher)


def count(what: str, amount: int = 1) -> None:
    """Say that `amount` more of `what` (images, shards, cells) were made; where nobody watches, nothing happens."""
    for watcher in _watchers:
        watcher(what, amount)
