"""Training on Ray: Ray Train places the ranks, watches them and starts them again.

Checkpoints are not Ray's: rank 0 writes them to the run folder, which is on a file system that all nodes share.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from typing import Any

from gan_aug.compute.cluster.resources import (
    LOOPBACK,
    described,
    described_nodes,
    fitting_workers,
    node_addresses,
    node_resources,
    rank_resources,
)
from gan_aug.compute.cluster.worker import WorkerRequirements, check, current_location, versions
from gan_aug.compute.executor import OnPoll, RankGroup
from gan_aug.compute.local.parent import POLL_SECONDS
from gan_aug.errors import Cancelled, ComputeError, GanAugError, RankLost, TrainingDiverged
from gan_aug.run.files import storage_errors

NODE_SECONDS = 60.0
"""How long there may be too few nodes once the training has begun: a lost node may come back."""

NOTE_SECONDS = 30.0
"""How often a note says that ranks are still waited for."""

STOP_SECONDS = 120.0
"""How long ranks at work may take to stop on request: one step, and a checkpoint."""


def train_on_cluster(work: Callable[[], None], group: RankGroup, on_poll: OnPoll, wait_seconds: float) -> None:
    """Train as Executor.train says; needs a connection to Ray.

    Tensors are exchanged by NCCL if each rank has whole GPUs, else by gloo. If the nodes cannot hold all ranks, the
    training continues with as many as they hold.

    Args:
        work: What every rank does.
        group: The ranks wanted; `min_ranks` is the smallest number that is tried.
        on_poll: Called while the ranks work.
        wait_seconds: How long to wait for further nodes if there are too few for all ranks.

    Raises:
        ComputeError: The nodes hold fewer than `min_ranks` ranks, or ranks were lost more often than `retries`.
        Cancelled: A stop was asked for.
        Exception: Any other error that `work` raised in a rank.
    """
    ranks = group.ranks
    while True:
        try:
            # Ray's own elastic training counts cores that others use as free, and then waits for them forever.
            _train(work, replace(group, ranks=ranks), on_poll, wait_seconds)
        except TooFewNodesError as error:
            fewer = min(fitting_ranks(group), ranks - 1)
            if fewer < max(1, group.min_ranks):
                raise ComputeError(str(error)) from error
            on_poll(f"the nodes hold {fewer} of {ranks} ranks: continuing with these from the last complete checkpoint")
            ranks = fewer
        else:
            return


class TooFewNodesError(ComputeError):
    """The nodes of the cluster cannot hold all ranks, and the time to wait for more is over."""


def fitting_ranks(group: RankGroup) -> int:
    """How many ranks the living nodes could hold if nothing else used them."""
    needs = rank_resources(group.threads, group.gpus)
    return sum(fitting_workers(node, needs) for node in node_resources())


def _train(work: Callable[[], None], group: RankGroup, on_poll: OnPoll, wait_seconds: float) -> None:
    """Train with exactly `group.ranks` ranks; raises TooFewNodesError if they do not fit."""
    storage = group.shared_folder.absolute() / f".ray-{secrets.token_hex(4)}.tmp"
    with storage_errors(storage):
        storage.mkdir(parents=True)
    try:
        capacity = _CapacityWatch(group, wait_seconds)
        capacity.check()
        coordinator = _start_coordinator()
        requirements = WorkerRequirements(versions(), storage)
        trainer = _trainer(partial(_rank_main, work, coordinator, requirements), group, str(storage))
        _fit_and_watch(trainer, coordinator, capacity, group, on_poll)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        on_poll("")


def _trainer(loop: Any, group: RankGroup, storage: str) -> Any:
    """Ray Train's trainer, which runs `loop` once per rank."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: TID251 - the door
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: TID251

    variables = {} if group.gpus else {"CUDA_VISIBLE_DEVICES": ""}  # Ray leaves all of them visible
    if node_addresses() == {LOOPBACK}:
        # All ranks are on this machine, and its host name may resolve to another address or to none.
        variables["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    return TorchTrainer(
        loop,
        # NCCL does not accept two ranks on one GPU.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if group.gpus >= 1 else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=group.ranks,
            use_gpu=group.gpus > 0,
            resources_per_worker=rank_resources(group.threads, group.gpus),
        ),
        run_config=RunConfig(  # type: ignore[call-arg]  # mypy sees the class of Ray Train's first version
            name="training",
            storage_path=storage,
            failure_config=FailureConfig(max_failures=group.retries),
            worker_runtime_env={"env_vars": variables},
        ),
    )


class Coordinator:
    """The actor between ranks and driver: collects the ranks' messages and the error that ends the training."""

    def __init__(self) -> None:
        self._at_work = False
        self._started: set[int] = set()
        self._error: GanAugError | None = None
        self._messages: list[str] = []

    def start_rank(self, rank: int, message: str) -> bool:
        """Record that a rank has started; returns whether it should work: after an error Ray starts ranks in vain."""
        if self._error is not None:
            return False
        if rank in self._started:  # the other ranks may be ended before they can report the loss
            self._started = set()
            self._messages.append("all ranks start again from the last complete checkpoint")
        self._started.add(rank)
        self._at_work = True
        self._messages.append(message)
        return True

    def report_lost_rank(self) -> None:
        """Record that a rank saw that another one is gone."""
        self._at_work = False

    def report_error(self, error: GanAugError) -> None:
        """Record the error that ends the training; only the first one counts."""
        self._error = self._error or error

    def poll(self) -> tuple[bool, GanAugError | None, list[str]]:
        """Whether ranks are at work, the error, and the messages since the last poll."""
        messages, self._messages = self._messages, []
        return self._at_work, self._error, messages


def _start_coordinator() -> Any:
    """A coordinator on the driver's node, so that the loss of another node does not affect it."""
    import ray  # noqa: TID251 - the door
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: TID251

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Coordinator).options(num_cpus=0, scheduling_strategy=here).remote()


def _rank_main(work: Callable[[], None], coordinator: Any, requirements: WorkerRequirements) -> None:
    """The main function of a rank; if it raises, Ray starts all ranks again."""
    import ray  # noqa: TID251 - the door
    from ray.train import get_context  # noqa: TID251

    context, place = get_context(), current_location(tuple(str(number) for number in ray.get_gpu_ids()))
    rank = context.get_world_rank()
    message = f"rank {rank + 1} of {context.get_world_size()} runs on {place}"
    if not ray.get(coordinator.start_rank.remote(rank, message)):
        return
    try:
        check(requirements, place)
        work()
    except RankLost:
        ray.get(coordinator.report_lost_rank.remote())
        raise
    except GanAugError as error:
        ray.get(coordinator.report_error.remote(error))
        if not isinstance(error, (Cancelled, TrainingDiverged)):  # all ranks raise these at the same step
            raise


def _fit_and_watch(trainer: Any, coordinator: Any, capacity: _CapacityWatch, group: RankGroup, on_poll: OnPoll) -> None:
    """Let Ray run the training and pass on the ranks' messages; raises the error that ended the training."""
    import ray  # noqa: TID251 - the door
    from ray.train import TrainingFailedError  # noqa: TID251

    outcome: Future[None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
            outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome.set_exception(error)

    # In a thread, because in the main thread Ray would handle Ctrl-C. We do that: all ranks stop at the same step.
    threading.Thread(target=fit, daemon=True).start()
    try:
        while not wait([outcome], POLL_SECONDS).done:
            at_work, _, messages = ray.get(coordinator.poll.remote())
            for message in [*messages, *capacity.check(at_work)]:
                on_poll(message)
            on_poll("")
            capacity.check_cancelled(group.cancelled())
        failure = ray.get(coordinator.poll.remote())[1]
        if failure is not None:
            raise failure
        outcome.result()
    except TrainingFailedError as error:
        raise _ranks_lost(error) from error
    except ray.exceptions.RayError as error:
        raise ComputeError(f"Ray gave up the training ({_one_line(error)}): resume the run") from error
    except GanAugError as error:
        ray.get(coordinator.report_error.remote(error))  # so that ranks which Ray may still start do nothing
        raise


class _CapacityWatch:
    """Watches a wait for nodes: writes notes now and then, and ends the wait if it is too long or cancelled.

    `limit` is how long, in seconds, there may be too few nodes.
    """

    def __init__(self, group: RankGroup, limit: float) -> None:
        self._group, self._limit = group, limit
        self._needs = rank_resources(group.threads, group.gpus)
        self._at_work = False
        self._last_enough = self._last_note = time.monotonic()
        self._stop_asked_at: float | None = None

    def check(self, at_work: bool = False) -> list[str]:
        """The notes to write now; raises TooFewNodesError if there have been too few nodes for too long."""
        now, self._at_work = time.monotonic(), at_work
        if at_work:
            self._limit = max(self._limit, NODE_SECONDS)
            self._last_note = now
        capacity = fitting_ranks(self._group)
        if capacity >= self._group.ranks:
            self._last_enough = now
        elif now - self._last_enough >= self._limit:
            raise TooFewNodesError(
                f"{self._group.ranks} ranks need {described(self._needs)} each, and the nodes of the cluster hold "
                f"{capacity} of them (they have {described_nodes()}): lower compute.threads, compute.ranks or "
                "compute.gpus_per_worker, or set compute.wait to the number of seconds that a new node needs to start"
            )
        if now - self._last_note < NOTE_SECONDS:
            return []
        self._last_note = now
        needs = described(self._needs)
        return [f"waiting for {self._group.ranks} ranks to start: each needs {needs}, which others may be using"]

    def check_cancelled(self, cancelled: bool) -> None:
        """Raise Cancelled if a stop was asked for and no rank is at work, or none stops within STOP_SECONDS."""
        if not cancelled:
            return
        now = time.monotonic()
        self._stop_asked_at = self._stop_asked_at or now
        if not self._at_work or now - self._stop_asked_at >= STOP_SECONDS:
            raise Cancelled(
                "stopped while no rank was at work: resume the run, which continues from the last complete checkpoint"
            )


def _ranks_lost(error: Exception) -> ComputeError:
    """The error of a training that Ray gave up although no rank reported an error."""
    return ComputeError(
        f"processes that train together were lost more than compute.retries times ({_one_line(error)}): see Ray's logs "
        "and resume the run, which continues from the last complete checkpoint"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
