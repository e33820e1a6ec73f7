"""A pool whose processes may die or hang: the guilty item is named, and all others get their results.

It is meant for untrusted files, which may crash a native decoder. `LocalExecutor` is for our own work; there a dead
worker is an error.

- An item that exceeds the time limit is known; it is not tried again.
- If a process dies, each item that it had not answered is tried again alone, while all other processes are idle.
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
from gan_aug.compute.local.parent import POLL_SECONDS, bind_to_parent
from gan_aug.compute.memory import keep_freed_memory
from gan_aug.errors import Cancelled, ComputeError

CHUNKS_PER_WORKER = 4
"""Chunks per worker that may be in progress or wait to be yielded; this bounds the memory."""

REPORT_SECONDS = 0.05
"""A worker sends results at most this often, because each message costs both sides time."""

START_SECONDS = 300.0
"""How long a worker may take to begin its chunk: it may have to start, and to import what the work needs."""

READY = "ready"
"""The first message of a worker."""


@dataclass(frozen=True)
class Lost:
    """Takes the place of a result: the item killed its process twice (`died`), or took too long (`slow`)."""

    reason: Literal["died", "slow"]


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    remaining: Any
    """An integer in shared memory: items of its chunk that are not done, with the current one; 0 before it begins."""
    ready: bool = False
    pending: deque[int] = field(default_factory=deque)
    """Positions of the items it was given and has not answered."""
    isolated: bool = False
    """Whether its item is tried alone because it may have killed a process."""
    last_heard: float = 0.0
    """When its last message came (time.monotonic)."""


class CrashSafePool:
    """Up to `workers` processes, started when first needed; each item may take `limit` seconds from its own start.

    A context manager: leaving it ends the processes. Only one `map` may run at a time.
    """

    def __init__(self, workers: int, limit: float) -> None:
        self.workers, self.limit = workers, limit
        self._processes: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> CrashSafePool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._processes):
            self._kill(worker)

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        chunk: int = 16,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Result | Lost]:
        """Call `work(item)` for each item.

        Args:
            work: An importable function, or a partial of one.
            items: What to work on.
            chunk: How many items are sent to a process at a time.
            cancelled: Asked about twice a second whether to stop.

        Yields:
            The result of each item in the order of `items`, or `Lost` if the item killed its process or was too slow.

        Raises:
            Cancelled: `cancelled` returned True.
            ComputeError: The processes end before they begin to work.
            Exception: Whatever `work` raised.
        """
        run = _Run(work, items, chunk, window=CHUNKS_PER_WORKER * self.workers * chunk)
        try:
            while run.next_out < len(items):
                self._dispatch(run)
                self._poll(run)
                if cancelled and cancelled():
                    raise Cancelled("stopped on request: run it again")
                while run.next_out in run.results:
                    result = run.results.pop(run.next_out)
                    run.next_out += 1
                    yield result
        finally:
            for worker in [worker for worker in self._processes if worker.pending]:
                self._kill(worker)  # this map ended early: nobody will receive its answers

    def _dispatch(self, run: _Run[Any, Any]) -> None:
        """Give every idle worker its next chunk; start workers if there are too few."""
        while chunk := run.take(busy=any(worker.pending for worker in self._processes), free=self._has_free_worker()):
            worker = next((worker for worker in self._processes if not worker.pending), None) or self._start()
            worker.pending, worker.isolated = deque(chunk.positions), chunk.isolated
            worker.last_heard = time.monotonic()
            worker.remaining.value = 0
            try:
                worker.connection.send((run.work, [run.items[position] for position in chunk.positions]))
            except OSError:  # it died while idle
                self._handle_death(worker, run)

    def _has_free_worker(self) -> bool:
        return sum(bool(worker.pending) for worker in self._processes) < self.workers

    def _poll(self, run: _Run[Any, Any]) -> None:
        """Receive messages for up to half a second, then end the workers that are over their time limit."""
        connections = {worker.connection: worker for worker in self._processes}
        for connection in wait(list(connections), POLL_SECONDS):
            self._receive(connections[connection], run)  # type: ignore[index]
        now = time.monotonic()
        for worker in [worker for worker in self._processes if worker.pending]:
            remaining = worker.remaining.value
            late = now - worker.last_heard > (self.limit if remaining else START_SECONDS)
            # An answer that is in the pipe already was given in time.
            if not late or worker.connection.poll():
                continue
            self._kill(worker)
            if remaining:
                # This item was too slow, unless the worker went on to another item just before it was ended.
                run.record_loss(worker, Lost("slow"), remaining if remaining == worker.remaining.value else 0)
            else:
                self._handle_failed_start(worker, run)

    def _receive(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._handle_death(worker, run)
            return
        worker.last_heard = time.monotonic()
        if message == READY:
            worker.ready = True
        else:
            self._failed_starts = 0
        for result, error in message if message != READY else ():
            if error is not None:
                raise error
            run.results[worker.pending.popleft()] = result

    def _handle_death(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        """Remove a worker that died, and decide about the items it had not answered."""
        self._kill(worker)
        if worker.ready:
            run.record_loss(worker, Lost("died"))
        else:
            self._handle_failed_start(worker, run)

    def _handle_failed_start(self, worker: _Worker, run: _Run[Any, Any]) -> None:
        """Give a worker's chunk to others if it ended before it began: no item is at fault.

        Raises ComputeError if this happens too often in a row.
        """
        run.requeue(worker)
        self._failed_starts += 1
        if self._failed_starts > 2 * self.workers:
            raise ComputeError(
                "processes that decode images end or hang before they begin, often for lack of memory or because a "
                "script calls this outside `if __name__ == '__main__'`: lower compute.workers, or move the call there"
            )

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a forked child may inherit locks that are never released
        parent_end, child_end = context.Pipe()
        remaining = context.RawValue("i", 0)
        process = context.Process(target=_worker_main, args=(child_end, remaining), daemon=True)
        process.start()
        child_end.close()  # so that the death of the process is an end of file here
        worker = _Worker(process, parent_end, remaining)
        self._processes.append(worker)
        return worker

    def _kill(self, worker: _Worker) -> None:
        self._processes.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()


@dataclass(frozen=True)
class _Chunk:
    positions: list[int]
    isolated: bool = False


@dataclass
class _Run(Generic[Item, Result]):
    """The state of one map: what was sent out, what came back, what is to be tried again."""

    work: Callable[[Item], Result]
    items: Sequence[Item]
    chunk: int
    window: int
    next_out: int = 0
    """The next position to yield."""
    next_in: int = 0
    """The next position to send out for the first time."""
    results: dict[int, Result | Lost] = field(default_factory=dict)
    retries: deque[list[int]] = field(default_factory=deque)
    """Chunks to send out again; none of their items is under suspicion."""
    suspects: deque[int] = field(default_factory=deque)
    """Positions of items that may have killed a process."""

    def take(self, *, busy: bool, free: bool) -> _Chunk | None:
        """The next chunk to send out, or None for now.

        A suspect is sent alone, when no worker is busy.
        """
        if self.suspects:
            return None if busy else _Chunk([self.suspects.popleft()], isolated=True)
        if not free:
            return None
        if self.retries:
            return _Chunk(self.retries.popleft())
        last = min(self.next_in + self.chunk, len(self.items))
        if last <= self.next_in or self.next_in >= self.next_out + self.window:
            return None
        positions = list(range(self.next_in, last))
        self.next_in = last
        return _Chunk(positions)

    def record_loss(self, worker: _Worker, how: Lost, remaining: int = 0) -> None:
        """Decide about the items that `worker` had not answered when it ended.

        An item that was tried alone is lost. So is the one that the worker was at, if that is known by `remaining`; the
        rest of its chunk is done again. If it is not known, all are suspects.

        Args:
            worker: The worker that ended.
            how: What to record for a lost item.
            remaining: Items of the chunk that were not done, including the current one; 0 if not known.
        """
        if worker.isolated:
            self.results |= dict.fromkeys(worker.pending, how)
        elif remaining:
            culprit = worker.pending[-remaining]
            self.results[culprit] = how
            worker.pending.remove(culprit)
            self.requeue(worker)
        else:
            self.suspects.extend(worker.pending)
        worker.pending.clear()

    def requeue(self, worker: _Worker) -> None:
        """Put the items that `worker` has not answered back into the queues."""
        if worker.isolated:
            self.suspects.extend(worker.pending)
        elif worker.pending:
            self.retries.append(list(worker.pending))
        worker.pending.clear()


def _worker_main(connection: Connection, remaining: Any) -> None:
    """The main function of a worker: receive a chunk, send the results a few items at a time."""
    bind_to_parent()
    keep_freed_memory()
    connection.send(READY)
    while True:
        try:
            work, items = connection.recv()  # imports the modules they need
        except EOFError:  # whoever asks has ended
            return
        # Sent before `remaining` is set: a parent that sees it above 0 can count the time limit from this message.
        connection.send([])
        answers, sent = [], time.monotonic()
        for position, item in enumerate(items):
            remaining.value = len(items) - position
            answers.append(_answer(work, item))
            if time.monotonic() - sent > REPORT_SECONDS:
                connection.send(answers)
                answers, sent = [], time.monotonic()
        if answers:
            connection.send(answers)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return work(item), None
    except Exception as error:  # noqa: BLE001 - raised again in the process that asked for the work
        return None, error
