"""Work on this machine: in a pool of processes, or in a plain loop if one process is enough."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Self

from gan_aug.compute.cores import threads_for
from gan_aug.compute.device import number_process, workers_for
from gan_aug.compute.executor import Item, OnPoll, RankGroup, Result
from gan_aug.compute.local.parent import POLL_SECONDS, bind_to_parent
from gan_aug.compute.memory import keep_freed_memory
from gan_aug.errors import Cancelled, ComputeError

_state: tuple[int, Any] = (0, None)
"""In a worker: the number of the map it worked for last, and what that map's `setup` built."""


class LocalExecutor:
    """Runs work in `workers` processes of this machine; with one, in this process.

    By default there is one per core, or one per GPU if work chooses GPUs by `device`, the value of compute.device. The
    processes are kept from one map to the next, since to start one takes seconds: a new one has to import PyTorch.
    As a context manager it ends them.
    """

    def __init__(self, workers: int | None = None, device: str = "cpu") -> None:
        self._asked, self._device = workers, device
        self._idle: ProcessPoolExecutor | None = None
        self._maps = 0

    @property
    def workers(self) -> int:
        """How many processes work at once."""
        return self._asked or workers_for(self._device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._idle:
            _end(self._idle)
            self._idle = None

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
        if len(items) <= 1 or self.workers <= 1:
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
        self._maps += 1
        call, pool, done = partial(_call, self._maps, setup, work), self._take_pool(), False
        try:
            waiting: dict[Future[Result], int] = {pool.submit(call, item): i for i, item in enumerate(items)}
            while waiting:
                finished, _ = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                if stop():
                    raise Cancelled("stopped on request: what was finished is kept")
                for future in finished:
                    yield waiting.pop(future), future.result()
            done = True
        except BrokenProcessPool as error:
            raise ComputeError(
                "a worker process died, often for lack of memory: lower compute.workers and resume"
            ) from error
        finally:
            if done and self._idle is None:
                self._idle = pool
            else:
                _end(pool)

    def _take_pool(self) -> ProcessPoolExecutor:
        """The idle pool if its processes are alive, else a new one; it starts a process when there is work for it."""
        pool, self._idle = self._idle, None
        if pool and all(process.is_alive() for process in _processes(pool)):
            return pool
        if pool:
            _end(pool)
        # spawn: a forked child would inherit the parent's thread pools, which can deadlock.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, context, _start_worker, (context.Value("i", 0),))


def _processes(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((pool._processes or {}).values())


def _end(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool at once, whatever they do."""
    processes = _processes(pool)
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


def _start_worker(started: Synchronized[int]) -> None:
    bind_to_parent()
    with started.get_lock():
        number_process(started.value)
        started.value += 1
    keep_freed_memory()


def _call(number: int, setup: Callable[[], Any] | None, work: Callable[[Any, Item], Result], item: Item) -> Result:
    """In a worker: work on an item of the map with this number, first of all after the map's setup."""
    global _state  # noqa: PLW0603 - a pool offers no other place for what each worker builds once
    if _state[0] != number:
        _state = (0, None)  # what the map before it needed is freed first
        _state = (number, setup() if setup else None)
    return work(_state[1], item)
