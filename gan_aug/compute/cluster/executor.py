"""Ray as the place where work runs: actors with a bounded number of items, replaced when they or their nodes die."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_aug.compute.cluster.resources import amounts, held, node_resources, places, threads_for
from gan_aug.compute.cluster.session import Note, ray_session
from gan_aug.compute.cluster.training import train_on_cluster
from gan_aug.compute.cluster.worker import Terms, Whereabouts, Worker, versions
from gan_aug.compute.executor import Attend, Item, RankGroup, Result
from gan_aug.config.compute import ComputeConfig
from gan_aug.errors import Cancelled, ComputeError
from gan_aug.run.files import storage_errors

POLL_SECONDS = 0.5

PATIENCE_SECONDS = 30.0
"""How often a wait for room is mentioned."""

LONG_SECONDS = 1.0
"""An item that takes longer is followed by the next one only when it is done: another worker may be free sooner.

A shorter one has the next behind it, else its worker would rest while its answer and the next item travel.
"""


@contextmanager
def ray_executor(compute: ComputeConfig, shared: Path | None, note: Note) -> Iterator[RayExecutor]:
    """A RayExecutor, connected for the length of a block.

    `shared` is a folder that every worker must see; `note` takes what is to be recorded. Raises ComputeError where
    there is no cluster, or none of its nodes can hold a worker and none is waited for.
    """
    if compute.device == "cuda" and not compute.gpus_per_worker:
        raise ComputeError("compute.device is cuda and compute.gpus_per_worker is 0: give each worker a GPU or a share")
    with ray_session(compute, note):
        executor = RayExecutor(compute, shared, note)
        if not compute.wait:
            executor.require_room()
        yield executor


class RayExecutor:
    """Runs work in Ray actors of `compute.cpus_per_worker` cores and `compute.gpus_per_worker` GPUs each."""

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
        """See Executor.map. Work of a worker that was lost is done again, up to `compute.retries` times."""
        if not items:
            return
        with self._mark() as mark:
            pool = _WorkerPool(self, setup, Terms(versions(), mark), min(self._size(), len(items)))
            try:
                yield from _Run(pool, work, items, cancelled or (lambda: False)).results()
            finally:
                pool.end()

    def train(self, work: Callable[[], None], group: RankGroup, attend: Attend) -> None:
        """See Executor.train; with one rank too the work is done where Ray places it."""
        train_on_cluster(work, group, attend, self.compute.wait)

    def threads(self, ranks: int) -> int:
        """See Executor.threads: as many as let all ranks find room on the nodes, taken as they are now."""
        return threads_for(ranks, self.compute.gpus_per_worker)

    def room(self) -> int:
        """How many workers the nodes could hold if nobody else used them."""
        return sum(places(resources, self.needs) for resources in node_resources())

    def require_room(self) -> None:
        """Raise ComputeError unless some node could hold a worker."""
        if self.room():
            return
        raise ComputeError(
            f"a worker needs {amounts(self.needs)} and no node of the cluster has that (they have {held()}): lower "
            "compute.gpus_per_worker or compute.cpus_per_worker, or "
            "set compute.wait to the seconds that a new node takes"
        )

    def _size(self) -> int:
        return self.compute.workers or max(1, self.room())

    @contextmanager
    def _mark(self) -> Iterator[Path | None]:
        """A file in the shared folder that tells it from another one of the same path."""
        if self.shared is None:
            yield None
            return
        mark = self.shared / f".{secrets.token_hex(8)}.tmp"
        with storage_errors(mark):
            mark.touch()
        try:
            yield mark
        finally:
            mark.unlink(missing_ok=True)


@dataclass
class _Member:
    """One of the workers; `place` is known once it is set up."""

    number: int
    actor: Any
    place: Whereabouts | None = None
    indices: list[int] = field(default_factory=list)
    """The items it was given and has not answered, the one it works on first."""
    since: float = 0.0
    """When it began with that one."""
    pace: float = LONG_SECONDS
    """The seconds that its last item took."""


@dataclass
class _WorkerPool:
    """The workers of one map: started, set up, replaced, ended."""

    executor: RayExecutor
    setup: Callable[[], Any] | None
    terms: Terms
    size: int
    members: list[_Member] = field(default_factory=list)
    awaited: dict[Any, tuple[_Member, int | None]] = field(default_factory=dict)
    """Answers under way: of whom, and to which item; to none is a worker that is being set up."""
    lost: Counter[int] = field(default_factory=Counter)
    """How often in a row the worker of each number was lost before it was set up."""
    alone_since: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Ask for all workers at once: a cluster that grows on demand grows by what is asked for."""
        for number in range(self.size):
            self.add(number)

    def add(self, number: int) -> None:
        """Ask Ray for a worker and have it set up."""
        import ray  # noqa: TID251 - the door

        needs = self.executor.needs
        actor: Any = (
            ray.remote(Worker)
            .options(
                num_cpus=needs.get("CPU", 0), num_gpus=needs.get("GPU", 0), max_restarts=0, scheduling_strategy="SPREAD"
            )
            .remote()
        )
        self.members.append(_Member(number, actor))
        self.awaited[actor.start.remote(self.setup, self.terms)] = self.members[-1], None

    def welcome(self, member: _Member, place: Whereabouts) -> None:
        """Take in a worker that is set up."""
        member.place = place
        self.lost[member.number] = 0
        self.executor.note(f"worker {member.number + 1} of {self.size} runs on {place}")

    def replace(self, member: _Member, reason: str) -> None:
        """Ask for another worker in place of one that was lost; raises ComputeError where that happens too often."""
        self._kill(member)
        self.members.remove(member)
        self.awaited = {answer: due for answer, due in self.awaited.items() if due[0] is not member}
        if member.place is None:
            self.lost[member.number] += 1
            if self.lost[member.number] > self.executor.compute.retries:
                raise ComputeError(f"workers die before they begin, compute.retries is spent; the last one: {reason}")
        if not self.working():
            self.alone_since = time.monotonic()
        self.add(member.number)

    def working(self) -> bool:
        """Whether any worker is set up."""
        return any(member.place for member in self.members)

    def look_for_room(self) -> None:
        """Where no worker is set up yet: say why now and then, and raise ComputeError once it is hopeless."""
        if self.working():
            return
        now, compute = time.monotonic(), self.executor.compute
        if now - self.alone_since >= compute.wait:
            self.executor.require_room()
        if now - self.said >= PATIENCE_SECONDS:
            self.said = now
            needed = amounts(self.executor.needs) or "nothing of its own"
            self.executor.note(f"waiting for a worker to start: each needs {needed}, and others may be using it")

    def end(self) -> None:
        """End all workers at once."""
        for member in self.members:
            self._kill(member)

    def _kill(self, member: _Member) -> None:
        import ray  # noqa: TID251 - the door

        ray.kill(member.actor, no_restart=True)


class _Run:
    """One map under way: what is to be done, what was lost, what came back."""

    def __init__(
        self, pool: _WorkerPool, work: Callable[[Any, Any], Any], items: Sequence[Any], stop: Callable[[], bool]
    ) -> None:
        self.pool, self.work, self.items, self.stop = pool, work, items, stop
        self.left = deque(range(len(items)))
        self.lost: Counter[int] = Counter()

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield what the workers return, with the item's index, until all is done."""
        import ray  # noqa: TID251 - the door

        done = 0
        while done < len(self.items):
            self._hand_out()
            ready, _ = ray.wait(list(self.pool.awaited), num_returns=1, timeout=POLL_SECONDS)
            if self.stop():
                raise Cancelled("stopped on request: what was finished is kept")
            self.pool.look_for_room()
            for answer in ready:
                member, index = self.pool.awaited.pop(answer)
                for result in self._receive(member, index, answer):
                    done += 1
                    yield result

    def _hand_out(self) -> None:
        """Give workers their next items."""
        while self.left and (member := self._free_member()):
            index = self.left.popleft()
            if not member.indices:
                member.since = time.monotonic()
            member.indices.append(index)
            answer = member.actor.run.remote(self.work, self.items[index], self.lost[index] > 0)
            self.pool.awaited[answer] = member, index

    def _free_member(self) -> _Member | None:
        """A worker with nothing to do; else, while there is something left for each, one that is quick."""
        plenty = len(self.left) >= self.pool.size
        ready = [member for member in self.pool.members if member.place]
        resting = [member for member in ready if not member.indices]
        quick = [member for member in ready if plenty and len(member.indices) == 1 and member.pace < LONG_SECONDS]
        return next(iter(resting + quick), None)

    def _receive(self, member: _Member, index: int | None, answer: Any) -> Iterator[tuple[int, Any]]:
        """Take an answer: a result to yield, a worker that is ready, or the news that one is gone."""
        from ray import exceptions, get  # noqa: TID251 - the door

        gone = (
            exceptions.RayActorError,
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
        )
        try:
            value = get(answer)
        except exceptions.RayTaskError as error:
            _without_gan_aug(error)
            if isinstance(error.cause, exceptions.RayError):
                raise ComputeError(f"Ray cannot run a worker: {_reason(error.cause)}") from error
            raise (error.cause or error) from error
        except gone as error:
            _without_gan_aug(error)
            self._lose(member, _reason(error))
        except exceptions.RayError as error:
            raise ComputeError(f"Ray cannot run a worker: {_reason(error)}") from error
        else:
            if index is None:
                self.pool.welcome(member, value)
                return
            now = time.monotonic()
            member.indices.remove(index)
            member.pace, member.since = now - member.since, now
            yield index, value

    def _lose(self, member: _Member, reason: str) -> None:
        """Have another worker do what a lost one was at, and what it had not begun."""
        retries = self.pool.executor.compute.retries
        where = f"worker {member.number + 1} on {member.place}" if member.place else f"worker {member.number + 1}"
        if not member.indices:
            self.pool.executor.note(f"{where} was lost before it began: {reason}")
        else:
            index = member.indices[0]
            self.lost[index] += 1
            if self.lost[index] > retries:
                raise ComputeError(
                    f"item {index + 1} of {len(self.items)} lost its worker {self.lost[index]} times and "
                    f"compute.retries is {retries}; the last time: {reason}; what was finished is kept"
                )
            self.left.extendleft(reversed(member.indices))
            self.pool.executor.note(
                f"{where} was lost: {reason}; item {index + 1} is done again, retry {self.lost[index]} of {retries}"
            )
        self.pool.replace(member, reason)


def _reason(error: Exception) -> str:
    """What Ray says of a loss, in its one telling line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "dead because" in line or "memory" in line.lower()] or lines or [repr(error)]
    return telling[0][:300]


def _without_gan_aug(error: Exception) -> None:
    """Raise ComputeError where a worker's interpreter does not know gan_aug."""
    if "No module named 'gan_aug" in str(error):
        raise ComputeError(
            "a node of the cluster has no gan_aug: install this version of it there, or send the job with "
            "`gan-aug submit`, which takes it along"
        ) from error
