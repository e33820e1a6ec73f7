"""What we ask of any machine: to map a function over items, and to run one in processes that train together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RankGroup:
    """How many processes train one GAN together: `ranks`, or fewer where so many cannot be had, but not below `least`.

    A lost one is followed by a new start of all, up to `retries` times. Each computes on `threads` threads and, where
    it is more than 0, on `gpus` GPUs. `folder` is one that all of them see, for what a launcher keeps while they run.
    `cancelled` says whether they are asked to stop: the ranks see to that by themselves once they work.
    """

    ranks: int
    least: int
    retries: int
    threads: int
    gpus: float
    folder: Path
    cancelled: Callable[[], bool] = lambda: False


Attend = Callable[[str], None]
"""Called about twice a second while others work, with a sentence where there is something to say, else with none."""


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

    def train(self, work: Callable[[], None], group: RankGroup, attend: Attend) -> None:
        """Run `work` once per rank, in processes joined in one torch process group; with one rank, here and without.

        `work` must be an importable function or a partial of one, and go on from what it finds on disk: when a rank is
        lost (its process died, or it raised RankLost), all are started again. An error that `work` raises is raised.
        Raises ComputeError when the retries are spent.
        """
        ...

    def threads(self, ranks: int) -> int:
        """The threads that each of `ranks` ranks gets where nobody says how many: an even part of the cores."""
        ...
