"""What we ask of any machine: to map a function over items, with progress, cancellation and named failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """A place where work runs."""

    def map(
        self,
        work: Callable[[Any, Item], Result],
        items: Sequence[Item],
        *,
        setup: Callable[[], Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """Yield `(index, work(state, item))` as the items finish, in any order.

        `setup` builds `state` once per worker (a loaded generator, say); without it `state` is None. `work` and `setup`
        must be importable functions or partials of them. Raises Cancelled when `cancelled` says so, and ComputeError
        when a worker died.
        """
        ...
