"""Ray Train as the launcher of processes that train together: it places them, watches them, and starts them again.

Checkpoints are ours, in the run folder on a file system that all nodes share; Ray keeps none.
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
    amounts,
    held,
    node_addresses,
    node_resources,
    places,
    rank_needs,
)
from gan_aug.compute.cluster.worker import Terms, check, versions, whereabouts
from gan_aug.compute.executor import Attend, RankGroup
from gan_aug.compute.local.parent import POLL_SECONDS
from gan_aug.errors import Cancelled, ComputeError, GanAugError, RankLost, TrainingDiverged
from gan_aug.run.files import storage_errors

NODE_SECONDS = 60.0
"""How long the nodes may be too few once training has begun: a lost one may be on its way back."""

PATIENCE_SECONDS = 30.0
"""How often a wait for room is mentioned."""

STOP_SECONDS = 120.0
"""How long ranks at work have to answer a request to stop: one step, and a checkpoint."""


def train_on_cluster(work: Callable[[], None], group: RankGroup, attend: Attend, wait_seconds: float) -> None:
    """See Executor.train; needs a connection to Ray.

    Tensors travel by NCCL where each rank has whole GPUs, else by gloo. Nodes that can never hold all ranks are waited
    for `wait_seconds`; then training goes on with as many as they hold, if that is no fewer than `least`.
    """
    ranks = group.ranks
    while True:
        try:
            # Ray's own way to go on with fewer counts cores that others hold, and then waits for ever.
            _train(work, replace(group, ranks=ranks), attend, wait_seconds)
        except TooFewNodesError as error:
            fewer = min(room_for(group), ranks - 1)
            if fewer < max(1, group.least):
                raise ComputeError(str(error)) from error
            attend(f"the nodes hold {fewer} of {ranks} ranks: going on with so many, from the last whole checkpoint")
            ranks = fewer
        else:
            return


class TooFewNodesError(ComputeError):
    """The nodes of the cluster cannot hold all ranks, and were waited for."""


def room_for(group: RankGroup) -> int:
    """How many ranks the living nodes could hold if nobody else used them."""
    needs = rank_needs(group.threads, group.gpus)
    return sum(places(node, needs) for node in node_resources())


def _train(work: Callable[[], None], group: RankGroup, attend: Attend, wait_seconds: float) -> None:
    """Train with just `group.ranks` ranks; raises TooFewNodesError where they do not fit."""
    storage = group.folder.absolute() / f".ray-{secrets.token_hex(4)}.tmp"
    with storage_errors(storage):
        storage.mkdir(parents=True)
    try:
        room = _Room(group, wait_seconds)
        room.look()
        desk = _open_desk()
        trainer = _trainer(partial(_rank, work, desk, Terms(versions(), storage)), group, str(storage))
        _attend(trainer, desk, room, group, attend)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        attend("")


def _trainer(loop: Any, group: RankGroup, storage: str) -> Any:
    """Ray Train's description of all this."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: TID251 - the door
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: TID251

    variables = {} if group.gpus else {"CUDA_VISIBLE_DEVICES": ""}  # Ray leaves them all in sight
    if node_addresses() == {LOOPBACK}:
        # The machine's own name may lead out of it, or nowhere: all ranks are here.
        variables["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    return TorchTrainer(
        loop,
        # NCCL takes no two ranks on one GPU.
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if group.gpus >= 1 else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=group.ranks, use_gpu=group.gpus > 0, resources_per_worker=rank_needs(group.threads, group.gpus)
        ),
        run_config=RunConfig(  # type: ignore[call-arg]  # mypy sees the one of Ray Train's first version
            name="training",
            storage_path=storage,
            failure_config=FailureConfig(max_failures=group.retries),
            worker_runtime_env={"env_vars": variables},
        ),
    )


class Desk:
    """The actor where ranks report to the driver: who works where, who lost another, which fault ends the training."""

    def __init__(self) -> None:
        self._at_work = False
        self._begun: set[int] = set()
        self._fault: GanAugError | None = None
        self._said: list[str] = []

    def begin(self, rank: int, said: str) -> bool:
        """Whether a rank that comes has anything to do: after a fault Ray starts them again for nothing."""
        if self._fault is not None:
            return False
        if rank in self._begun:  # a killed rank's fellows may be ended before they can say so
            self._begun = set()
            self._said.append("all ranks start again from the last whole checkpoint")
        self._begun.add(rank)
        self._at_work = True
        self._said.append(said)
        return True

    def lose(self) -> None:
        """A rank saw that another one is gone."""
        self._at_work = False

    def end(self, fault: GanAugError) -> None:
        """What ends the training, for good; the first to say so is believed."""
        self._fault = self._fault or fault

    def look(self) -> tuple[bool, GanAugError | None, list[str]]:
        """Whether ranks are at work, the fault, and what was said since the last look."""
        said, self._said = self._said, []
        return self._at_work, self._fault, said


def _open_desk() -> Any:
    """A desk on the driver's node, where no other node's loss reaches it."""
    import ray  # noqa: TID251 - the door
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: TID251

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here).remote()


def _rank(work: Callable[[], None], desk: Any, terms: Terms) -> None:
    """A rank's life on Ray, which starts all again when one of them raises."""
    import ray  # noqa: TID251 - the door
    from ray.train import get_context  # noqa: TID251

    context, place = get_context(), whereabouts(tuple(str(number) for number in ray.get_gpu_ids()))
    rank = context.get_world_rank()
    if not ray.get(desk.begin.remote(rank, f"rank {rank + 1} of {context.get_world_size()} runs on {place}")):
        return
    try:
        check(terms, place)
        work()
    except RankLost:
        ray.get(desk.lose.remote())
        raise
    except GanAugError as error:
        ray.get(desk.end.remote(error))
        if not isinstance(error, (Cancelled, TrainingDiverged)):  # those are raised by all at the same step
            raise


def _attend(trainer: Any, desk: Any, room: _Room, group: RankGroup, attend: Attend) -> None:
    """Have Ray do it, and say what the ranks say; raises what ended the training."""
    import ray  # noqa: TID251 - the door
    from ray.train import TrainingFailedError  # noqa: TID251

    outcome: Future[None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
            outcome.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome.set_exception(error)

    # In a thread of its own Ray leaves Ctrl-C alone, which is ours: the ranks then stop at the same step.
    threading.Thread(target=fit, daemon=True).start()
    try:
        while not wait([outcome], POLL_SECONDS).done:
            at_work, _, said = ray.get(desk.look.remote())
            for sentence in [*said, *room.look(at_work)]:
                attend(sentence)
            attend("")
            room.heed(group.cancelled())
        fault = ray.get(desk.look.remote())[1]
        if fault is not None:
            raise fault
        outcome.result()
    except TrainingFailedError as error:
        raise _loss(error) from error
    except ray.exceptions.RayError as error:
        raise ComputeError(f"Ray gave up the training ({_line(error)}): resume") from error
    except GanAugError as error:
        ray.get(desk.end.remote(error))  # ranks that Ray may yet start have nothing to do
        raise


class _Room:
    """What a wait for room on the nodes comes to: sentences now and then, an end when it is hopeless or not wanted."""

    def __init__(self, group: RankGroup, patience: float) -> None:
        self._group, self._patience = group, patience
        self._needs = rank_needs(group.threads, group.gpus)
        self._at_work = False
        self._enough = self._said = time.monotonic()
        self._asked: float | None = None

    def look(self, at_work: bool = False) -> list[str]:
        """What there is to say; raises ComputeError where the nodes have been too few for too long."""
        now, self._at_work = time.monotonic(), at_work
        if at_work:
            self._patience = max(self._patience, NODE_SECONDS)
            self._said = now
        room = room_for(self._group)
        if room >= self._group.ranks:
            self._enough = now
        elif now - self._enough >= self._patience:
            raise TooFewNodesError(
                f"{self._group.ranks} ranks need {amounts(self._needs)} each, and the nodes of the cluster hold {room} "
                f"of them (they have {held()}): lower compute.threads, compute.ranks or compute.gpus_per_worker, or "
                "set compute.wait to the seconds that a new node takes"
            )
        if now - self._said < PATIENCE_SECONDS:
            return []
        self._said = now
        return [f"waiting for {self._group.ranks} ranks to start: each needs {amounts(self._needs)}, others may use it"]

    def heed(self, cancelled: bool) -> None:
        """Raise Cancelled where a stop is asked for and no rank is there, or answers, to see it."""
        if not cancelled:
            return
        now = time.monotonic()
        self._asked = self._asked or now
        if not self._at_work or now - self._asked >= STOP_SECONDS:
            raise Cancelled("stopped while no rank was at work: resume, it goes on from the last whole checkpoint")


def _loss(error: Exception) -> ComputeError:
    """What befell a training that Ray gave up without a fault of ours."""
    return ComputeError(
        f"processes that train together were lost more than compute.retries times ({_line(error)}): see Ray's logs, "
        "and resume: it goes on from the last whole checkpoint"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
