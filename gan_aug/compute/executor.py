"""The interface of a place where work runs: map a function over items, and train in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RankGroup:
    """The processes that train one GAN together.

    - `ranks`: how many processes are wanted.
    - `min_ranks`: how many are enough if `ranks` cannot be had.
    - `retries`: how often all are started again after one was lost.
    - `threads`: CPU threads of each process.
    - `gpus`: GPUs of each process, possibly a fraction; 0 for none.
    - `shared_folder`: a folder that all processes see, for temporary files of the launcher.
    - `gan`: which of a run's GANs they train, for ranks that a launcher started and that wait to be told.
    - `cancelled`: whether a stop was asked for. Ranks at work check this themselves; the launcher checks it only while
      none is at work.
    """

    ranks: int
    min_ranks: int
    retries: int
    threads: int
    gpus: float
    shared_folder: Path
    gan: int = 0
    cancelled: Callable[[], bool] = lambda: False


OnPoll = Callable[[str], None]
"""Called about twice a second while the ranks work: with a message if there is one, else with an empty string."""


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
        """Call `work(state, item)` for each item.

        Args:
            work: An importable function, or a partial of one.
            items: What to work on.
            setup: Builds `state` once per worker, for example a loaded generator; an importable function or a partial
                of one. Without it `state` is None.
            cancelled: Asked about twice a second whether to stop.

        Yields:
            The item's index and the result, as the items finish, in any order.

        Raises:
            Cancelled: `cancelled` returned True.
            ComputeError: A worker died, or none could be started.
        """
        ...

    def train(self, work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:
        """Run `work` once per rank, in processes joined in one torch process group.

        If a rank is lost (its process died, or it raised RankLost), all ranks are started again. With one rank, `work`
        may run in this process and without a process group.

        Args:
            work: An importable function, or a partial of one. It must continue from what it finds on disk.
            group: How many processes there are, and on what they compute.
            on_poll: Called while the ranks work.

        Raises:
            ComputeError: Ranks were lost more often than `group.retries` allows.
            Exception: Any other error that `work` raised in a rank.
        """
        ...

    def threads(self, ranks: int) -> int:
        """The default number of threads for each of `ranks` ranks: an even part of the cores that are idle now."""
        ...
