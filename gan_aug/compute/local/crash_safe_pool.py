"""A pool whose processes may die or hang: the item that did it is named, and all others get their results.

The item that took too long is known and not tried again. What a process that died had not answered is, item by item,
alone while all others rest.

For work on files nobody vouches for, where a native decoder may crash. `LocalExecutor` is for work of our own, where a
dead worker is an error.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Literal

from gan_aug.compute.executor import Item, Result
from gan_aug.compute.local.freed_memory import keep_freed_memory
from gan_aug.compute.local.parent import POLL_SECONDS, attend_parent
from gan_aug.errors import Cancelled, ComputeError

AHEAD = 4
"""Chunks per worker that may be under way or wait for their turn: what bounds the memory."""

ANSWER_SECONDS = 0.05
"""A worker answers no more often than this, but to say that it begins: each answer costs both sides time."""

BEGIN_SECONDS = 300.0
"""What a worker may take to begin its chunk: it may have to start, and to import what the work needs."""

READY = "ready"


@dataclass(frozen=True)
class Lost:
    """Stands where a result would: the item ended its process (`died`), twice, or took too long (`slow`)."""

    reason: Literal["died", "slow"]


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    left: Any
    """A number in shared memory: items of its chunk left to do, with the one under way; 0 before it begins."""
    ready: bool = False
    jobs: deque[int] = field(default_factory=deque)
    """Positions it was given and has not answered."""
    alone: bool = False
    """Whether its job is a suspect, tried while all others rest."""
    heard: float = 0.0


class CrashSafePool:
    """Up to `workers` processes, started when first needed; each item may take `limit` seconds once it is begun.

    A context manager: leaving it ends the processes. One `map` at a time.
    """

    def __init__(self, workers: int, limit: float) -> None:
        self.workers, self.limit = workers, limit
        self._processes: list[_Worker] = []
        self._stillborn = 0

    def __enter__(self) -> CrashSafePool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._processes):
            self._end(worker)

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        chunk: int = 16,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Result | Lost]:
        """Yield `work(item)`, or what became of it, in the order of `items`, which travel `chunk` at a time.

        An exception of `work` comes back as itself. Raises Cancelled when `cancelled` says so, and ComputeError where
        processes cannot be started.
        """
        run = _Run(work, items, chunk, window=AHEAD * self.workers * chunk)
        try:
            while run.out < len(items):
                self._dispatch(run)
                self._listen(run)
                if cancelled and cancelled():
                    raise Cancelled("stopped on request: run it again")
                while run.out in run.results:
                    result = run.results.pop(run.out)
                    run.out += 1
                    yield result
        finally:
            for worker in [worker for worker in self._processes if worker.jobs]:
                self._end(worker)  # left before the end: nobody will listen to its answers

    def _dispatch(self, run: _Run[Any, Any]) -> None:
        """Give every idle worker its next positions, starting workers where there are too few."""
        while chunk := run.take(busy=any(worker.jobs for worker in self._processes), free=self._free()):
            worker = next((worker for worker in self._processes if not worker.jobs), None) or self._start()
            worker.jobs, worker.alone = deque(chunk.positions), chunk.alone
            worker.heard = time.monotonic()
            worker.left.value = 0
            try:
                worker.connection.send((run.work, [run.items[position] for position in chunk.positions]))
            except OSError:  # it died while idle
                self._bury(worker, run)

    def _free(self) -> bool:
        return sum(bool(worker.jobs) for worker in self._processes) < self.workers

    def _listen(self, run: _Run[Any, Any]) -> None:
        connections = {worker.connection: worker for worker in self._processes}
        for connection in wait(list(connections), POLL_SECONDS):
            self._receive(connections[connection], run)  # type: ignore[index]
        now = time.monotonic()
        for worker in [worker for worker in self._processes if worker.jobs]:
            left = worker.left.value
            late = now - worker.heard > (self.limit if left else BEGIN_SECONDS)
            # What already lies in the pipe was done in time: it is we who come late.
            if not late or worker.connection.poll():
                continue
            self._end(worker)
            if left:
                # Unless it went on to another item just before its end, it was this one that took so long.
                run.lose(worker, Lost("slow"), left if left == worker.left.value else 0)
            else:
                self._never_began(worker, run)

    def _receive(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, run)
            return
        worker.heard = time.monotonic()
        if message == READY:
            worker.ready = True
        else:
            self._stillborn = 0
        for result, error in message if message != READY else ():
            if error is not None:
                raise error
            run.results[worker.jobs.popleft()] = result

    def _bury(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        """Take note of a worker that died, and of what it had been doing."""
        self._end(worker)
        if worker.ready:
            run.lose(worker, Lost("died"))
        else:
            self._never_began(worker, run)

    def _never_began(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        """Have others do what an ended worker was given: no item is to blame; not for ever."""
        run.give_back(worker)
        self._stillborn += 1
        if self._stillborn > 2 * self.workers:
            raise ComputeError(
                "processes that decode images end or hang before they begin, often for lack of memory or because a "
                "script calls this outside `if __name__ == '__main__'`: lower compute.workers, or guard the call"
            )

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a forked child may inherit locks that nobody will release
        ours, theirs = context.Pipe()
        left = context.RawValue("i", 0)
        process = context.Process(target=_serve, args=(theirs, left), daemon=True)
        process.start()
        theirs.close()  # so that its death is an end of file here
        worker = _Worker(process, ours, left)
        self._processes.append(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        self._processes.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()


@dataclass(frozen=True)
class _Chunk:
    positions: list[int]
    alone: bool = False


@dataclass
class _Run(Generic[Item, Result]):
    """One map under way: what was handed out, what came back, what is to be tried again."""

    work: Callable[[Item], Result]
    items: Sequence[Item]
    chunk: int
    window: int
    out: int = 0
    """The next position to yield."""
    begun: int = 0
    results: dict[int, Result | Lost] = field(default_factory=dict)
    again: deque[list[int]] = field(default_factory=deque)
    suspects: deque[int] = field(default_factory=deque)

    def take(self, *, busy: bool, free: bool) -> _Chunk | None:
        """The next positions to hand out, or None for now; a suspect goes alone, when nobody is busy."""
        if self.suspects:
            return None if busy else _Chunk([self.suspects.popleft()], alone=True)
        if not free:
            return None
        if self.again:
            return _Chunk(self.again.popleft())
        last = min(self.begun + self.chunk, len(self.items))
        if last <= self.begun or self.begun >= self.out + self.window:
            return None
        positions = list(range(self.begun, last))
        self.begun = last
        return _Chunk(positions)

    def lose(self, worker: _Worker, how: Lost, left: int = 0) -> None:
        """Settle what `worker` had not answered when it ended.

        The one it was alone with, or that is known to have been under way, with `left` to do, is lost; the rest of that
        chunk is done again. Where it is not known all are suspects.
        """
        if worker.alone:
            self.results |= dict.fromkeys(worker.jobs, how)
        elif left:
            culprit = worker.jobs[-left]
            self.results[culprit] = how
            worker.jobs.remove(culprit)
            self.give_back(worker)
        else:
            self.suspects.extend(worker.jobs)
        worker.jobs.clear()

    def give_back(self, worker: _Worker) -> None:
        """Have what `worker` never began done again."""
        if worker.alone:
            self.suspects.extend(worker.jobs)
        elif worker.jobs:
            self.again.append(list(worker.jobs))
        worker.jobs.clear()


def _serve(connection: Connection, left: Any) -> None:
    """A worker's life: take a chunk, answer a few items at a time."""
    attend_parent()
    keep_freed_memory()
    connection.send(READY)
    while True:
        work, items = connection.recv()  # imports what they need
        connection.send([])  # before `left` says so: whoever sees an item under way has heard of its beginning
        answers, sent = [], time.monotonic()
        for place, item in enumerate(items):
            left.value = len(items) - place
            answers.append(_answer(work, item))
            if time.monotonic() - sent > ANSWER_SECONDS:
                connection.send(answers)
                answers, sent = [], time.monotonic()
        if answers:
            connection.send(answers)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return work(item), None
    except Exception as error:  # noqa: BLE001 - it is raised again where the work was asked for
        return None, error
