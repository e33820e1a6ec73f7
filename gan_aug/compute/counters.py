"""Counters of images, shards and cells made in this process, for metrics."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[str, int], None]

_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Call `watcher(what, amount)` at every count in this process from now on."""
    _watchers.append(watcher)


def count(what: str, amount: int = 1) -> None:
    """Report `amount` more of `what` (images, shards, cells, retries) to the watchers, if there are any."""
    for watcher in _watchers:
        watcher(what, amount)
