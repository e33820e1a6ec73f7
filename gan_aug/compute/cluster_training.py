"""Ray Train as the launcher of processes that train together: it places them, watches them, and starts them again.

Checkpoints are ours, in the run folder on a file system that all nodes share; Ray keeps none.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from gan_aug.compute.executor import Attend, Crew
from gan_aug.compute.local import POLL_SECONDS
from gan_aug.errors import Cancelled, ComputeError, GanAugError, RankLost, TrainingDiverged


def train_on_cluster(work: Callable[[], None], crew: Crew, attend: Attend) -> None:
    """See Executor.train; needs a connection to Ray.

    Tensors travel by NCCL where `crew.gpus` is more than 0, else by gloo. Where `least` is below `ranks`, training
    goes on with as many ranks as the nodes can hold, and takes in more when there is room again.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: TID251 - the door
    from ray.train.torch import TorchTrainer  # noqa: TID251

    resources = {"CPU": float(crew.threads)} | ({"GPU": crew.gpus} if crew.gpus else {})
    ranks: Any = crew.ranks if crew.least == crew.ranks else (crew.least, crew.ranks)
    storage = crew.folder.absolute() / f".ray-{secrets.token_hex(4)}.tmp"
    loop: Any = partial(_answer, work)
    trainer = TorchTrainer(
        loop,
        scaling_config=ScalingConfig(num_workers=ranks, use_gpu=crew.gpus > 0, resources_per_worker=resources),
        run_config=RunConfig(
            name="training", storage_path=str(storage), failure_config=FailureConfig(max_failures=crew.retries)
        ),
    )
    try:
        error = _fit(trainer, attend)
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        attend("")
    if error is not None:
        raise error


def _answer(work: Callable[[], None]) -> GanAugError | None:
    """Do a rank's work; what all ranks raise together is an answer, since Ray would start them again after an error."""
    try:
        work()
    except (Cancelled, TrainingDiverged) as error:
        return error
    return None


def _fit(trainer: Any, attend: Attend) -> GanAugError | None:
    """What the ranks answered; raises what one of them raised time and again, or ComputeError."""
    from ray.train import TrainingFailedError  # noqa: TID251

    outcome: Future[Any] = Future()

    def fit() -> None:
        try:
            outcome.set_result(trainer.fit().return_value)
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome.set_exception(error)

    # In a thread of its own Ray leaves Ctrl-C alone, which is ours: the ranks then stop at the same step.
    threading.Thread(target=fit, daemon=True).start()
    while not wait([outcome], POLL_SECONDS).done:
        attend("")
    try:
        answer: GanAugError | None = outcome.result()
    except TrainingFailedError as error:
        raise _cause(error) from error
    return answer


def _cause(error: Exception) -> Exception:
    """What befell a training that Ray gave up: the fault of one rank where there is one, else that ranks were lost."""
    for failure in getattr(error, "worker_failures", {}).values():
        fault = getattr(failure, "_base_exc", failure)
        if isinstance(fault, GanAugError) and not isinstance(fault, RankLost):
            return fault
    said = " ".join(str(error).split())
    return ComputeError(
        f"processes that train together were lost more than compute.retries times ({said[:200]}): see Ray's logs, and "
        "resume: it goes on from the last whole checkpoint"
    )
