"""Trains the GANs of a run: several at once, one process and one thread each, or one after the other if it has ranks.

A GAN's number of threads is part of its request, as it can alter the last bits. With several GANs it is 1 unless the
config says otherwise, so that their number of processes alters nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gan_aug.compute.device import beside
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.threads import torch_threads
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import Cancelled, TrainingDiverged
from gan_aug.evaluation.cells.plan import Cell
from gan_aug.evaluation.cells.run import CellContext, is_finished, load_context, run_cell
from gan_aug.gan.chosen import is_whole
from gan_aug.gan.state import Checkpoint, newest_checkpoint
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.run.events import Event, Listener
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import StageContext
from gan_aug.stages.gans.parts import GanDir, gan_training
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.train import threads_before, train
from gan_aug.stages.trained.parent import bring_parent
from gan_aug.stages.training.memory import with_micro_batch
from gan_aug.stages.training.networks import network_settings
from gan_aug.stages.training.watch import is_watched, prepare_judge

STOP_SECONDS = 60.0
"""How long trainings may take to stop on request, each after its next step and a checkpoint."""


@dataclass(frozen=True)
class _Training:
    """The training of one GAN as an executor's item; `storage` and `run` are the GAN's own."""

    gan: int
    run: GanDir
    storage: RunStorage
    request: TrainRequest
    compute: ComputeConfig


def train_gans(
    context: StageContext, request: TrainRequest, manifest: Manifest, gans: int, meanwhile: Sequence[Cell] = ()
) -> list[Checkpoint]:
    """Train every GAN of a run that is not trained yet; each goes on from its own newest checkpoint.

    Args:
        context: The run's.
        request: The request of the run, which is that of GAN 0.
        manifest: The data set.
        gans: How many GANs.
        meanwhile: Cells of the comparison that need no GAN, for workers that would be idle.

    Returns:
        The checkpoint that each GAN is.

    Raises:
        RunConflict: If the run holds checkpoints of another request.
        Cancelled: If the run is told to stop; every training at work has then written a checkpoint.
        TrainingDiverged: If a loss of a GAN is not finite; the message names the GAN.
    """
    if gans == 1:
        return [train(context, request, manifest)]
    run, together = context.run, _Together(context.run, gans, request.train.images)
    trainings = [_plan(context, request, manifest, gan, gans, together.listener(gan)) for gan in range(gans)]
    missing = [one for one in trainings if not _is_trained(one)]
    if missing:
        run.emit("train", "start", f"training {len(missing)} of {gans} GANs", done=together.seen(trainings))
        for one in missing:
            _bring_parent(one, manifest)
        prepare_judge(run, request, manifest)  # or each GAN's process would train it
        most = "at most " if is_watched(request, manifest) else ""  # the scores may end a training
        finished = f"trained {gans} GANs on {most}{request.train.images:,} images each"
        if context.compute.ranks > 1:
            for one in missing:
                _train(one, context, manifest)
            run.emit("train", "finish", finished)
        else:
            _spread(context, missing, meanwhile, finished)
    return [_train(one, context, manifest) for one in trainings]


def _plan(
    context: StageContext, request: TrainRequest, manifest: Manifest, gan: int, gans: int, listener: Listener
) -> _Training:
    compute, own = context.compute, GanDir(context.run.path, layout.gan_folder(gan), listeners=(listener,))
    if compute.ranks == 1:
        compute = compute.model_copy(update={"threads": compute.threads or threads_before(own) or 1})
    training, ranks = gan_training(request, gan), compute.ranks
    sharing = beside(compute.device, gans, compute.workers) if ranks == 1 else 1
    training = with_micro_batch(own.train, training, manifest, compute.device, ranks, sharing)
    return _Training(gan, own, context.storage.gan(gan), training, compute)


def _bring_parent(one: _Training, manifest: Manifest) -> None:
    """Copy the GAN that a training starts from: a worker may be on a machine that does not see it."""
    if one.request.train.start_from is not None and newest_checkpoint(one.run.checkpoints) is None:
        bring_parent(one.run, one.request, network_settings(one.request.gan, manifest), manifest, one.gan)


def _is_trained(one: _Training) -> bool:
    one.storage.pull_training()
    return is_whole(one.run.train, one.request.train.images)


def _train(one: _Training, context: StageContext, manifest: Manifest) -> Checkpoint:
    """Train one GAN by the run's executor; nothing is trained if it was to the end."""
    own = replace(context, run=one.run, storage=one.storage, compute=one.compute)
    return train(own, one.request, manifest, one.gan)


def _spread(context: StageContext, missing: Sequence[_Training], meanwhile: Sequence[Cell], finished: str) -> None:
    """Train GANs in the executor's workers, and compute cells in those that are idle; `finished` is said in between."""
    run, storage, threads = context.run, context.storage, context.compute.threads or 1
    cells = [cell for cell in meanwhile if not is_finished(run.cells / cell.key, storage.cells)]
    at_once = len(missing) if threads == 1 else max(1, context.executor.threads(1) // threads)
    groups = [missing[first : first + at_once] for first in range(0, len(missing), at_once)]
    work = partial(_work, run=run, storage=storage)
    for trainings in groups[:-1]:
        for _ in context.executor.map(work, trainings, cancelled=_Poll(run, trainings)):
            _relay(trainings)
    trainings = groups[-1]
    left, setup = len(trainings), _cell_setup(context) if cells else None
    for index, _ in context.executor.map(work, [*trainings, *cells], setup=setup, cancelled=_Poll(run, trainings)):
        _relay(trainings)
        left -= index < len(trainings)
        if left == 0 and index < len(trainings) and not run.cancelled():
            run.emit("train", "finish", finished)
            if cells:
                run.emit("compare", "start", f"{len(cells)} cells that need no synthetic image")
    if run.cancelled():
        raise Cancelled(f"stopped in the training of the GANs: `gan-aug resume {run.path}` goes on from there")
    if cells:
        run.emit("compare", "progress", done=len(cells), total=len(cells), unit="cells")


def _cell_setup(context: StageContext) -> Callable[[], CellContext]:
    """What a worker needs for cells without synthetic images."""
    run, storage = context.run, context.storage
    run.cells.mkdir(parents=True, exist_ok=True)
    stored = {"stored_dataset": storage.dataset, "stored_cells": storage.cells}
    return partial(load_context, run.dataset, (), run.cells, context.compute.device, **stored)


def _relay(trainings: Sequence[_Training]) -> None:
    """Pass on the events of other processes."""
    for one in trainings:
        one.run.relay()


class _Poll:
    """Passes events of other processes on. It asks to stop only if trainings did not stop by themselves in time."""

    def __init__(self, run: RunDir, trainings: Sequence[_Training]) -> None:
        self._run, self._trainings = run, trainings
        self._asked: float | None = None

    def __call__(self) -> bool:
        _relay(self._trainings)
        if not self._run.cancelled():
            return False
        self._asked = self._asked or time.monotonic()
        return time.monotonic() - self._asked > STOP_SECONDS


def _work(cells: CellContext | None, item: _Training | Cell, *, run: RunDir, storage: RunStorage) -> None:
    """One worker's share: a GAN, or a cell; nothing if the run is to stop."""
    if run.cancelled():
        return
    try:
        if isinstance(item, _Training):
            _train_here(item, storage)
        elif cells:
            run_cell(cells, item, cancelled=run.cancelled)
    except Cancelled:
        return  # the others at work are to stop by themselves too: the run's process raises it when all have


def _train_here(one: _Training, storage: RunStorage) -> None:
    """Train one GAN in this process; a host without the run folder fetches the images from the store."""
    images = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.MANIFEST)
    own = one.run
    if images != own.dataset:
        own = GanDir(storage.folder, layout.gan_folder(one.gan), images)
    context = StageContext(own, one.storage, LocalExecutor(1), one.compute)
    try:
        with torch_threads(one.compute.threads or 1):
            train(context, one.request, Manifest.load(images / layout.MANIFEST), one.gan)
    except TrainingDiverged as error:
        raise TrainingDiverged(f"GAN {one.gan}: {error}") from error


class _Together:
    """Passes the events of several trainings on to their run, with one count of images for all of them."""

    def __init__(self, run: RunDir, gans: int, images: int) -> None:
        self._run, self._images = run, images
        self._done = [0] * gans
        self._rates = [0.0] * gans

    def listener(self, gan: int) -> Listener:
        """The listener for one GAN's events."""
        return partial(self._take, gan)

    def seen(self, trainings: Sequence[_Training]) -> int:
        """The images that all GANs have seen by their newest checkpoints."""
        for one in trainings:
            newest = newest_checkpoint(one.run.checkpoints)
            self._done[one.gan] = newest.images if newest else 0
        return sum(self._done)

    def _take(self, gan: int, event: Event) -> None:
        if event.kind != "progress":
            values = {"gan": float(gan), **event.values} if event.values else {}
            self._run.emit("train", "note", f"GAN {gan}: {event.message}", values=values)
            return
        self._done[gan], self._rates[gan] = event.done or 0, event.values.get("rate", 0.0)
        working = [rate for rate, done in zip(self._rates, self._done, strict=True) if done < self._images]
        values = {"gan": float(gan), "images": float(self._done[gan]), **event.values, "rate": round(sum(working), 1)}
        done, total = sum(self._done), self._images * len(self._done)
        self._run.emit("train", "progress", f"GAN {gan}", done=done, total=total, unit="images", values=values)
