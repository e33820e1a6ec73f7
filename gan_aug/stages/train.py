"""Trains a GAN in a run folder, and resumes from the newest whole checkpoint.

One or more processes, the ranks, train together. All do the same; only rank 0 writes.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute.device import choose_device
from gan_aug.compute.environment import record_environment
from gan_aug.compute.executor import RankGroup
from gan_aug.compute.memory import reused_memory
from gan_aug.config.stages import TrainRequest
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.training_batches import HeldOutBatches, TrainingBatches
from gan_aug.errors import Cancelled, CheckpointError
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.device.use import use_of
from gan_aug.gan.ranks import Ranks, current_ranks
from gan_aug.gan.state import (
    Checkpoint,
    TrainingData,
    broadcast_state,
    newest_checkpoint,
    restore,
)
from gan_aug.gan.trainer import GanTrainer
from gan_aug.gan.transfer import start_from
from gan_aug.run import layout
from gan_aug.run.decisions import good_folder, training_end
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import claim
from gan_aug.stages.context import StageContext
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.trained.parent import bring_parent, parent_in, record_of
from gan_aug.stages.training.augmentation import settled_training
from gan_aug.stages.training.kept import Keeper
from gan_aug.stages.training.memory import memory_in_words, needed, with_micro_batch
from gan_aug.stages.training.networks import network_settings
from gan_aug.stages.training.record import TrainingRecord
from gan_aug.stages.training.settings import trainer_settings
from gan_aug.stages.training.watch import Course, Watch, follow, is_watched, told


def train(context: StageContext, request: TrainRequest, manifest: Manifest, gan: int = 0) -> Checkpoint:
    """Train until `train.images`, or until its scores end it, from the newest whole checkpoint in the run folder.

    Args:
        context: The run's.
        request: The networks and the training.
        manifest: The data set, of which the training split is used.
        gan: The number of the GAN in its run.

    Returns:
        The checkpoint that is the GAN: the best one by its scores, or the last one.

    Raises:
        RunConflict: If the run holds checkpoints of another request.
        Cancelled: After writing a checkpoint, if the run is told to stop.
        TrainingDiverged: If a loss is not finite.
    """
    run, storage, compute = context.run, context.storage, context.compute
    storage.pull_training()
    request = settled_training(run, request, manifest)
    request = with_micro_batch(run.train, request, manifest, compute.device, compute.ranks)
    threads = _threads(context)
    claim(
        run,
        layout.TRAIN,
        request.to_json() | {"dataset": manifest.fingerprint, "threads": threads, "ranks": _ranks(context)},
        products=f"{layout.CHECKPOINTS}/{layout.EACH_CHECKPOINT}",
    )
    newest = newest_checkpoint(run.checkpoints)
    if newest:  # the last start may have ended before it was in the store
        storage.push_checkpoint(newest.path, good_folder(run.train))
    if newest and newest.images >= training_end(run.train, request.train.images):
        return chosen_checkpoint(run.train) or newest
    if newest is None:
        bring_parent(run, request, network_settings(request.gan, manifest), manifest, gan)
    group = RankGroup(
        ranks=compute.ranks,
        min_ranks=compute.min_ranks or compute.ranks,
        retries=compute.retries,
        threads=threads,
        gpus=compute.gpus_per_worker,
        shared_folder=run.train,
        gan=gan,
        cancelled=run.cancelled,
    )

    def on_poll(message: str) -> None:
        if message:
            run.emit("train", "note", message)
        run.relay()

    work = partial(train_rank, run, storage, request, manifest, compute.device, compute.cuda_graphs)
    context.executor.train(work, group, on_poll)
    trained = chosen_checkpoint(run.train)
    if trained is None:
        raise CheckpointError(f"{run.checkpoints} holds no checkpoint of the training that has just ended: resume it")
    return trained


@reused_memory()
def train_rank(
    run: RunDir, storage: RunStorage, request: TrainRequest, manifest: Manifest, device: str, graphs: bool = True
) -> None:
    """The work of one rank, from the newest whole checkpoint on, after `train` has saved its request.

    Args:
        run: The run folder, which all ranks can read.
        storage: Where the run saves checkpoints in addition.
        request: The networks and the training.
        manifest: The data set.
        device: `compute.device`; each rank chooses its own by it.
        graphs: `compute.cuda_graphs`.

    Raises:
        Cancelled: On all ranks at the same step, if the run is told to stop.
        TrainingDiverged: On all ranks at the same step, if a loss is not finite.
        RankLost: If another rank is gone.
    """
    torch.set_num_threads(int(read_json(run.train / layout.REQUEST)["threads"]))
    chosen = choose_device(device)
    ranks, store = current_ranks(chosen), open_images(run.dataset, manifest)
    leads, watched = ranks.rank == 0, is_watched(request, manifest)
    if leads:
        record_environment(run.train)
    watch = Watch(run, storage, request, manifest, store) if leads and watched else None
    course = Course(request.seed, request.train.images)
    while True:
        newest = newest_checkpoint(run.checkpoints) if leads else None
        if watched:
            course = told(ranks, watch.resume(newest) if watch else None)
        seeded = request.model_copy(update={"seed": course.seed})
        trainer = build_trainer(seeded, store, manifest, ranks, chosen, graphs=graphs)
        if _train_from(newest, trainer, run, storage, request, manifest, watch):
            break
        trainer.close()
    if leads:
        run.emit("train", "finish", f"trained on {trainer.images:,} images")


def _train_from(
    newest: Checkpoint | None,
    trainer: GanTrainer,
    run: RunDir,
    storage: RunStorage,
    request: TrainRequest,
    manifest: Manifest,
    watch: Watch | None,
) -> bool:
    """Train from a checkpoint on, or anew. Returns whether it went to the end: else it has to go back.

    `newest` and `watch` are None on all ranks but the first.
    """
    ranks, train, parent = trainer.ranks, request.train, parent_in(run)
    leads, watched = ranks.rank == 0, is_watched(request, manifest)
    if newest:
        restore(trainer, newest)
    elif leads and parent:
        start_from(trainer, parent, manifest.labels)
    broadcast_state(trainer)
    if leads:
        said = _state(trainer, request, manifest)
        run.emit("train", "start", said, done=trainer.images, values={"ranks": ranks.size})
    keeper = Keeper(run.checkpoints, storage, _training_data(run, manifest, parent), newest)
    record = TrainingRecord(run, trainer)
    goes_back = watched and follow(trainer, watch.catch_up(trainer, newest) if watch else None)
    while not goes_back and not trainer.finished:
        before = trainer.images
        reports = trainer.advance()
        stopping, scoring = ranks.any(run.cancelled()), watched and _crossed(before, trainer, train.scored_every)
        saving, showing = (_crossed(before, trainer, every) for every in (train.checkpoint_every, train.sample_every))
        if stopping or scoring or saving or showing:
            reports += trainer.read()  # on all ranks: each has to see that all is finite before anything is kept
        if leads:
            record.add(reports)
            if stopping or scoring or saving:
                record.save()
                keeper.save(trainer, watch, scoring=scoring)
            if showing:
                record.picture(manifest, watch.scores if watch else None)
        goes_back = scoring and follow(trainer, watch.course if watch else None)
        if stopping and not trainer.finished:
            ranks.any(True)  # wait until rank 0 has written: the first rank that ends may end all
            raise Cancelled(f"stopped at {trainer.images:,} images: `gan-aug resume {run.root}` goes on from there")
    return not goes_back


def _training_data(run: RunDir, manifest: Manifest, parent: Checkpoint | None) -> TrainingData:
    return TrainingData(
        labels=manifest.labels,
        task=manifest.task,
        dataset=manifest.fingerprint,
        trained_images=len({manifest.studies[i].content for i in manifest.indices("train")}),
        parent=record_of(run, parent, manifest) if parent else None,
    )


def _state(trainer: GanTrainer, request: TrainRequest, manifest: Manifest) -> str:
    where = f"{trainer.device}" + (f" in {trainer.ranks.size} processes" if trainer.ranks.size > 1 else "")
    where += f" ({trainer.how})" if trainer.how else ""
    strength = f", augmentation adapted, p {trainer.adaptive.p:.2f} now" if trainer.adaptive else ""
    need = needed(request, manifest, request.train.micro_batch or 0, trainer.ranks.size)
    return (
        f"training on {where}, {trainer.images:,} of {trainer.settings.images:,} images seen so far{strength}; each "
        f"process takes {memory_in_words(need, request)}"
    )


def build_trainer(
    request: TrainRequest,
    images: npt.NDArray[np.uint8],
    manifest: Manifest,
    ranks: Ranks,
    device: torch.device,
    *,
    graphs: bool = True,
) -> GanTrainer:
    """The trainer of a request on the training split.

    Args:
        request: The networks and the training.
        images: All images of the data set, `(N, C, H, W) uint8`.
        manifest: The data set.
        ranks: The processes that train together.
        device: Where this one computes.
        graphs: Whether a GPU may repeat steps from CUDA graphs.

    Returns:
        The trainer, before its first step.

    Raises:
        ConfigError: If the images do not fit the networks or the augmentation.
    """
    networks, settings = trainer_settings(request, manifest)
    batches = TrainingBatches(
        images, manifest.label_matrix(), manifest.indices("train"), seed=request.seed, balance=request.gan.balance
    )
    held_out = HeldOutBatches(images, manifest.label_matrix(), manifest.indices("validation"))
    micro_batch = request.train.micro_batch or None
    use = use_of(device, ranks.size, micro_batch, graphs)
    return GanTrainer(networks, settings, batches, device, ranks, micro_batch=micro_batch, held_out=held_out, use=use)


def _threads(context: StageContext) -> int:
    """The threads of the config, else those of the first start (they alter the last bits), else a part of the cores."""
    compute = context.compute
    return compute.threads or threads_before(context.run) or context.executor.threads(compute.ranks)


def threads_before(run: RunDir) -> int | None:
    """The threads of the training's first start; None if it was not started."""
    path = run.train / layout.REQUEST
    return int(read_json(path)["threads"]) if path.exists() else None


def _ranks(context: StageContext) -> int:
    """The number of ranks in the training's request: that of the config, or with `min_ranks` that of the first start.

    Another number alters the last bits. A config with `min_ranks` accepts this.
    """
    path, compute = context.run.train / layout.REQUEST, context.compute
    if compute.min_ranks is not None and path.exists():
        return int(read_json(path).get("ranks", 1))
    return compute.ranks


def _crossed(before: int, trainer: GanTrainer, every: int) -> bool:
    """Whether the last step passed a multiple of `every`, or was the last one."""
    return trainer.finished or before // every != trainer.images // every
