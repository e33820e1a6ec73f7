"""Work on Ray: actors with at most two items each, replaced when they or their nodes die."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_aug.compute.cluster.resources import (
    described,
    described_nodes,
    fitting_workers,
    node_resources,
    threads_per_rank,
)
from gan_aug.compute.cluster.session import Note, ray_session
from gan_aug.compute.cluster.training import train_on_cluster
from gan_aug.compute.cluster.worker import Worker, WorkerLocation, WorkerRequirements, versions
from gan_aug.compute.executor import Item, OnPoll, RankGroup, Result
from gan_aug.config.compute import ComputeConfig
from gan_aug.errors import Cancelled, ComputeError
from gan_aug.run.files import storage_errors

POLL_SECONDS = 0.5

NOTE_SECONDS = 30.0
"""How often a note says that workers are still waited for."""

LONG_SECONDS = 1.0
"""A worker whose last item took longer gets the next one only when it is idle: another worker may be free sooner.

A faster worker gets a second item in advance, else it would be idle while its answer and the next item travel.
"""


@contextmanager
def ray_executor(compute: ComputeConfig, shared: Path | None, note: Note) -> Iterator[RayExecutor]:
    """A RayExecutor, connected to Ray for the length of the block.

    Args:
        compute: Where the cluster is, and what each worker gets.
        shared: A folder that every worker must see, or None.
        note: Records a sentence.

    Yields:
        The executor.

    Raises:
        ComputeError: There is no cluster, or no node of it can hold a worker and `compute.wait` is 0.
    """
    if compute.device == "cuda" and not compute.gpus_per_worker:
        raise ComputeError(
            "compute.device is cuda and compute.gpus_per_worker is 0: set it to 1, or to a share such as 0.25"
        )
    with ray_session(compute, note):
        executor = RayExecutor(compute, shared, note)
        if not compute.wait:
            executor.require_capacity()
        yield executor


class RayExecutor:
    """Runs work in Ray actors of `compute.cpus_per_worker` cores and `compute.gpus_per_worker` GPUs each.

    Args:
        compute: Numbers and sizes of the workers, and of the retries.
        shared: A folder that every worker must see, or None.
        note: Records a sentence.
    """

    def __init__(self, compute: ComputeConfig, shared: Path | None, note: Note) -> None:
        self.compute, self.shared, self.note = compute, shared, note
        needs = {"CPU": compute.cpus_per_worker, "GPU": compute.gpus_per_worker}
        self.needs = {name: amount for name, amount in needs.items() if amount}

    def map(
        self,
        work: Callable[[Any, Item], Result],
        items: Sequence[Item],
        *,
        setup: Callable[[], Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """See Executor.map. If a worker is lost, its items are done again, up to `compute.retries` times each."""
        if not items:
            return
        with self._marker_file() as marker:
            pool = _WorkerPool(
                self, setup, WorkerRequirements(versions(), marker), min(self._worker_count(), len(items))
            )
            try:
                yield from _Run(pool, work, items, cancelled or (lambda: False)).results()
            finally:
                pool.end()

    def train(self, work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:
        """See Executor.train; even a single rank runs where Ray places it."""
        train_on_cluster(work, group, on_poll, self.compute.wait)

    def threads(self, ranks: int) -> int:
        """See Executor.threads: the largest number with which all ranks fit on the nodes that are there now."""
        return threads_per_rank(ranks, self.compute.gpus_per_worker)

    def capacity(self) -> int:
        """How many workers the nodes could hold if nothing else used them."""
        return sum(fitting_workers(resources, self.needs) for resources in node_resources())

    def require_capacity(self) -> None:
        """Raise ComputeError unless some node could hold a worker."""
        if self.capacity():
            return
        raise ComputeError(
            f"a worker needs {described(self.needs)} and no node of the cluster has that (they have "
            f"{described_nodes()}): lower compute.gpus_per_worker or compute.cpus_per_worker, or set compute.wait to "
            "the number of seconds that a new node needs to start"
        )

    def _worker_count(self) -> int:
        return self.compute.workers or max(1, self.capacity())

    @contextmanager
    def _marker_file(self) -> Iterator[Path | None]:
        """A file in the shared folder; a worker that does not see it has another folder under the same path."""
        if self.shared is None:
            yield None
            return
        marker = self.shared / f".{secrets.token_hex(8)}.tmp"
        with storage_errors(marker):
            marker.touch()
        try:
            yield marker
        finally:
            marker.unlink(missing_ok=True)


@dataclass
class _WorkerHandle:
    """The driver's record of one worker; `place` is known once the worker is set up."""

    number: int
    actor: Any
    place: WorkerLocation | None = None
    pending: list[int] = field(default_factory=list)
    """Indices of the items it was given and has not answered; it works on the first one."""
    started: float = 0.0
    """When it began with the first one (time.monotonic)."""
    last_seconds: float = LONG_SECONDS
    """How long its last item took."""


@dataclass
class _WorkerPool:
    """The workers of one map: starts, replaces and ends them."""

    executor: RayExecutor
    setup: Callable[[], Any] | None
    requirements: WorkerRequirements
    size: int
    workers: list[_WorkerHandle] = field(default_factory=list)
    answers: dict[Any, tuple[_WorkerHandle, int | None]] = field(default_factory=dict)
    """Ray's references of the answers to come, each with its worker and item; None is the answer to the setup."""
    lost: Counter[int] = field(default_factory=Counter)
    """For each worker's number, how often in a row it was lost before it was set up."""
    without_worker_since: float = field(default_factory=time.monotonic)
    """Since when no worker is set up (time.monotonic)."""
    last_note: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Ask for all workers at once: a cluster that grows on demand grows by what is asked for."""
        for number in range(self.size):
            self.add(number)

    def add(self, number: int) -> None:
        """Ask Ray for a worker and start its setup."""
        import ray  # noqa: TID251 - the door

        needs = self.executor.needs
        actor: Any = (
            ray.remote(Worker)
            .options(
                num_cpus=needs.get("CPU", 0), num_gpus=needs.get("GPU", 0), max_restarts=0, scheduling_strategy="SPREAD"
            )
            .remote()
        )
        self.workers.append(_WorkerHandle(number, actor))
        self.answers[actor.start.remote(self.setup, self.requirements)] = self.workers[-1], None

    def register(self, worker: _WorkerHandle, place: WorkerLocation) -> None:
        """Record that a worker is set up, and where it runs."""
        worker.place = place
        self.lost[worker.number] = 0
        self.executor.note(f"worker {worker.number + 1} of {self.size} runs on {place}")

    def replace(self, worker: _WorkerHandle, reason: str) -> None:
        """Ask for another worker in place of a lost one; raises ComputeError if too many were lost before setup."""
        self._kill(worker)
        self.workers.remove(worker)
        self.answers = {answer: due for answer, due in self.answers.items() if due[0] is not worker}
        if worker.place is None:
            self.lost[worker.number] += 1
            if self.lost[worker.number] > self.executor.compute.retries:
                raise ComputeError(
                    f"workers die before they begin, more often than compute.retries allows; the last one: {reason}"
                )
        if not self.working():
            self.without_worker_since = time.monotonic()
        self.add(worker.number)

    def working(self) -> bool:
        """Whether any worker is set up."""
        return any(worker.place for worker in self.workers)

    def check_capacity(self) -> None:
        """If no worker is set up, write a note now and then; raise ComputeError once none can be expected."""
        if self.working():
            return
        now, compute = time.monotonic(), self.executor.compute
        if now - self.without_worker_since >= compute.wait:
            self.executor.require_capacity()
        if now - self.last_note >= NOTE_SECONDS:
            self.last_note = now
            needed = described(self.executor.needs) or "nothing of its own"
            self.executor.note(f"waiting for a worker to start: each needs {needed}, and others may be using it")

    def end(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            self._kill(worker)

    def _kill(self, worker: _WorkerHandle) -> None:
        import ray  # noqa: TID251 - the door

        ray.kill(worker.actor, no_restart=True)


class _Run:
    """The state of one map: the items to do, and how often each lost its worker."""

    def __init__(
        self, pool: _WorkerPool, work: Callable[[Any, Any], Any], items: Sequence[Any], stop: Callable[[], bool]
    ) -> None:
        self.pool, self.work, self.items, self.stop = pool, work, items, stop
        self.queue = deque(range(len(items)))
        self.lost: Counter[int] = Counter()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield each item's index and result, as the workers return them."""
        import ray  # noqa: TID251 - the door

        done = 0
        while done < len(self.items):
            self._dispatch()
            ready, _ = ray.wait(list(self.pool.answers), num_returns=1, timeout=POLL_SECONDS)
            if self.stop():
                raise Cancelled("stopped on request: what was finished is kept")
            self.pool.check_capacity()
            for answer in ready:
                worker, index = self.pool.answers.pop(answer)
                for result in self._receive(worker, index, answer):
                    done += 1
                    yield result

    def _dispatch(self) -> None:
        """Give workers their next items."""
        while self.queue and (worker := self._free_worker()):
            index = self.queue.popleft()
            if not worker.pending:
                worker.started = time.monotonic()
            worker.pending.append(index)
            answer = worker.actor.run.remote(self.work, self.items[index], self.lost[index] > 0)
            self.pool.answers[answer] = worker, index

    def _free_worker(self) -> _WorkerHandle | None:
        """An idle worker; else, if enough items are left for all workers, a fast one that has a single item."""
        ready = [worker for worker in self.pool.workers if worker.place]
        idle = [worker for worker in ready if not worker.pending]
        fast = [worker for worker in ready if len(worker.pending) == 1 and worker.last_seconds < LONG_SECONDS]
        enough = len(self.queue) >= self.pool.size
        return next(iter(idle + (fast if enough else [])), None)

    def _receive(self, worker: _WorkerHandle, index: int | None, answer: Any) -> Iterator[tuple[int, Any]]:
        """Handle an answer: a result to yield, the end of a worker's setup, or the loss of a worker."""
        from ray import exceptions, get  # noqa: TID251 - the door

        of_actor = exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.ObjectLostError
        of_node = exceptions.NodeDiedError, exceptions.OutOfMemoryError
        try:
            value = get(answer)
        except exceptions.RayTaskError as error:
            _raise_if_gan_aug_is_missing(error)
            if isinstance(error.cause, exceptions.RayError):
                raise ComputeError(f"Ray cannot run a worker: {_reason(error.cause)}") from error
            raise (error.cause or error) from error
        except (*of_actor, *of_node) as error:
            _raise_if_gan_aug_is_missing(error)
            self._handle_loss(worker, _reason(error))
        except exceptions.RayError as error:
            raise ComputeError(f"Ray cannot run a worker: {_reason(error)}") from error
        else:
            if index is None:
                self.pool.register(worker, value)
                return
            now = time.monotonic()
            worker.pending.remove(index)
            worker.last_seconds, worker.started = now - worker.started, now
            yield index, value

    def _handle_loss(self, worker: _WorkerHandle, reason: str) -> None:
        """Put a lost worker's items back into the queue and replace the worker."""
        retries = self.pool.executor.compute.retries
        where = f"worker {worker.number + 1} on {worker.place}" if worker.place else f"worker {worker.number + 1}"
        if not worker.pending:
            self.pool.executor.note(f"{where} was lost before it began: {reason}")
        else:
            index = worker.pending[0]
            self.lost[index] += 1
            if self.lost[index] > retries:
                raise ComputeError(
                    f"item {index + 1} of {len(self.items)} lost its worker {self.lost[index]} times and "
                    f"compute.retries is {retries}; the last time: {reason}; what was finished is kept"
                )
            self.queue.extendleft(reversed(worker.pending))
            self.pool.executor.note(
                f"{where} was lost: {reason}; item {index + 1} is done again, retry {self.lost[index]} of {retries}"
            )
        self.pool.replace(worker, reason)


def _reason(error: Exception) -> str:
    """The one line of Ray's error that names the cause, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if "dead because" in line or "memory" in line.lower()] or lines or [repr(error)]
    return causes[0][:300]


def _raise_if_gan_aug_is_missing(error: Exception) -> None:
    """Raise ComputeError if `error` says that a worker cannot import gan_aug."""
    if "No module named 'gan_aug" in str(error):
        raise ComputeError(
            "gan_aug is not installed on a node of the cluster: install this version there, or send the job with "
            "`gan-aug submit`, which sends the code too"
        ) from error
