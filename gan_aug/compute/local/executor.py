"""Work on this machine: in a pool of processes, or in a plain loop if one process is enough."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from gan_aug.compute.cores import cores, threads_for
from gan_aug.compute.executor import Item, OnPoll, RankGroup, Result
from gan_aug.compute.local.freed_memory import keep_freed_memory
from gan_aug.compute.local.parent import POLL_SECONDS, bind_to_parent
from gan_aug.errors import Cancelled, ComputeError


@dataclass(frozen=True)
class _SetupError:
    """The exception that `setup` raised in a worker; raised again when the worker gets its first item."""

    error: Exception


_state: Any = None


class LocalExecutor:
    """Runs work in `workers` processes of this machine, by default one per core; with one, in this process."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def map(
        self,
        work: Callable[[Any, Item], Result],
        items: Sequence[Item],
        *,
        setup: Callable[[], Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """See Executor.map."""
        stop = cancelled or (lambda: False)
        if min(self.workers, len(items)) <= 1:
            yield from _loop(work, items, setup, stop)
        else:
            yield from self._pool(work, items, setup, stop)

    def train(self, work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:
        """See Executor.train."""
        from gan_aug.compute.local.training import train_in_processes

        if group.ranks == 1:
            work()
        else:
            train_in_processes(work, group, on_poll)

    def threads(self, ranks: int) -> int:
        """See Executor.threads."""
        return threads_for(ranks)

    def _pool(
        self,
        work: Callable[[Any, Item], Result],
        items: Sequence[Item],
        setup: Callable[[], Any] | None,
        stop: Callable[[], bool],
    ) -> Iterator[tuple[int, Result]]:
        # spawn: a forked child would inherit the parent's thread pools, which can deadlock.
        pool = ProcessPoolExecutor(
            min(self.workers, len(items)), multiprocessing.get_context("spawn"), _start_worker, (setup,)
        )
        try:
            waiting: dict[Future[Result], int] = {pool.submit(_call, work, item): i for i, item in enumerate(items)}
            while waiting:
                done, _ = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                if stop():
                    raise Cancelled("stopped on request: what was finished is kept")
                for future in done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise ComputeError(
                "a worker process died, often for lack of memory: lower compute.workers and resume"
            ) from error
        finally:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()


def _loop(
    work: Callable[[Any, Item], Result],
    items: Sequence[Item],
    setup: Callable[[], Any] | None,
    stop: Callable[[], bool],
) -> Iterator[tuple[int, Result]]:
    state = setup() if setup and items else None
    for index, item in enumerate(items):
        if stop():
            raise Cancelled("stopped on request: what was finished is kept")
        yield index, work(state, item)


def _start_worker(setup: Callable[[], Any] | None) -> None:
    global _state  # noqa: PLW0603 - a pool offers no other place for what each worker builds once
    bind_to_parent()
    keep_freed_memory()
    try:
        _state = setup() if setup else None
    except Exception as error:  # noqa: BLE001 - raised here it would break the pool and be lost; _call raises it
        _state = _SetupError(error)


def _call(work: Callable[[Any, Item], Result], item: Item) -> Result:
    if isinstance(_state, _SetupError):
        raise _state.error
    return work(_state, item)
