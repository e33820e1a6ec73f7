"""How long a run would take on this machine: a few steps of each network are timed on noise."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute.cores import threads_for
from gan_aug.compute.device import choose_device, workers_for
from gan_aug.compute.threads import torch_threads
from gan_aug.config import Config
from gan_aug.data.importing.preview import Preview
from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.arm_catalogue import need_synthetic
from gan_aug.evaluation.canaries import SHUFFLES, STEPS
from gan_aug.evaluation.classifiers.fit import loss_of, make_optimizer
from gan_aug.evaluation.classifiers.networks import build, to_input
from gan_aug.evaluation.comparison_plan import subsets_of
from gan_aug.evaluation.training_length import default_steps
from gan_aug.gan.ranks import Ranks
from gan_aug.gan.trainer import GanTrainer
from gan_aug.stages.gans.parts import gan_count
from gan_aug.stages.train import build_trainer
from gan_aug.stages.training.augmentation import ALL
from gan_aug.stages.training.networks import batch_of, network_settings
from gan_aug.stages.training.watch import is_watched
from gan_aug.synthesis.plan import plan_labels

ENOUGH_SECONDS = 4.0
"""A network is timed no longer than this, after its first step."""

MOST_STEPS = 8

FEW = 8
"""Images of the smaller batch."""

SCORE_IMAGES = 500
"""Scoring a checkpoint takes about as long as training on so many images."""

START_SECONDS = 10.0
"""What starting processes, drawing figures and the like take in any run."""


def estimate(request: Config, manifest: Manifest, preview: Preview | None, stages: tuple[str, ...]) -> dict[str, Any]:
    """About how long some stages of a run take on this machine, in seconds, at its present speed.

    The import is what the dry run took for the images that it decoded, for all of them. The GAN and the classifier are
    timed for a few steps. Fidelity, the audit and the report are not in it.

    Args:
        request: The config.
        manifest: The data set, imported or planned.
        preview: What the dry run decoded; None if the data set is there.
        stages: The stages that are asked for.

    Returns:
        JSON values: the seconds of each stage and of all, rounded, and `counted`, which says what they are for.
    """
    device = choose_device(request.compute.device)
    workers = request.compute.workers or workers_for(request.compute.device)
    found: dict[str, float] = {"start": START_SECONDS}
    if preview and preview.decoded:
        found["import"] = preview.seconds / preview.decoded * preview.images
    counted = {}
    compares = "compare" in stages
    own_images = need_synthetic(request.compare.arms) and request.compare.synthetic is None
    if {"train", "generate"} & {*stages} and (own_images or not compares):
        step, making = _gan_seconds(request, manifest, device)
        batch = batch_of(request.train_request, network_settings(request.gan, manifest))
        gans, steps = gan_count(request.compare), -(-request.train.images // batch)
        beside = workers // (request.compute.threads or 1) if request.compute.ranks == 1 else 1
        train, watched = request.train, is_watched(request.train_request, manifest)
        scores = -(-train.images // train.scored_every) if watched else 0
        work = steps + scores * SCORE_IMAGES / batch
        found["train"] = gans * work * step / max(1, min(gans, beside))  # cores that are left compute classifiers
        scored = f", {scores} checkpoints of each scored" if watched else ""
        counted["train"] = f"{gans} GAN{'s' * (gans > 1)} of {steps:,} steps{scored}"
        if subsets := len(subsets_of(request.compare, manifest)) if compares else 0:
            short = -(-(request.compare.curve_images or train.images) // batch)
            found["train"] += subsets * work * short / steps * step / min(workers, subsets)
            counted["train"] += f", and {subsets} of {short:,} steps for the learning curves"
        made = len(plan_labels(request.synthesis_wanted, manifest))
        found["generate"] = (gans + subsets) * made * making / workers
    if compares:
        cells, steps = _cells(request, manifest)
        found["compare"] = _classifier_seconds(request, manifest, device) * steps / min(workers, max(1, cells))
        counted["compare"] = f"{cells} classifiers, {steps:,} steps in all"
    asked = {stage: seconds for stage, seconds in found.items() if stage in stages}
    rounded = {stage: _rounded(seconds) for stage, seconds in asked.items()}
    said = {stage: what for stage, what in counted.items() if stage in stages}
    return {**rounded, "all": _rounded(sum(asked.values())), "counted": said}


def in_words(seconds: float) -> str:
    """A time as people say it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _cells(request: Config, manifest: Manifest) -> tuple[int, int]:
    """How many classifiers are trained, and how many steps they take together."""
    classifier = request.classifier
    steps = classifier.steps or default_steps(len(manifest.indices("train")), classifier.batch)
    of_curves = len(subsets_of(request.compare, manifest)) * len(request.compare.arms) * request.compare.seeds
    cells = len(request.compare.arms) * request.compare.seeds + of_curves
    extra = 0 if classifier.steps else 1  # the arm real is trained with twice as many steps, to see if that helps
    shuffles = SHUFFLES if request.compare.canaries else 0
    return cells + extra + shuffles, (cells + 2 * extra) * steps + shuffles * min(STEPS, steps)


def _gan_seconds(request: Config, manifest: Manifest, device: torch.device) -> tuple[float, float]:
    """The seconds of one step of the GAN's training, and of making one image."""
    own, ranks = request.compute.threads, request.compute.ranks
    alone = gan_count(request.compare) == 1 or ranks > 1
    with torch_threads(own or (threads_for(ranks) if alone else 1)):
        trainer = _trainer_on_noise(request, manifest, device)
        trainer.advance()  # the first one also prepares the libraries, and may have the gradient penalty
        seconds = _timed(trainer.advance, device)
    every = request.gan.penalty_every
    penalised = 0.0
    if request.gan.regularizer_wanted == "r1" and every > MOST_STEPS:
        penalised = seconds / every  # the penalty costs about one more step, and was not in those that were timed
    with torch_threads(1):
        batch = trainer.settings.batch
        noise = torch.randn(batch, request.gan.latent, device=device)
        labels = torch.eye(len(manifest.labels), device=device)[torch.arange(batch) % len(manifest.labels)]
        with torch.no_grad():
            generator = trainer.average.eval()
            made = _timed(lambda: generator(noise, labels), device) / batch
    return seconds + penalised, made


def _trainer_on_noise(request: Config, manifest: Manifest, device: torch.device) -> GanTrainer:
    """The trainer of the run on as many images of noise as a batch has, with the labels of training images."""
    batch = batch_of(request.train_request, network_settings(request.gan, manifest))
    rows = manifest.indices("train")[:batch]
    small = Manifest(
        manifest.name,
        manifest.labels,
        manifest.task,
        manifest.shape,
        tuple(manifest.studies[row] for row in rows),
        flips=manifest.flips,
    )
    images = np.random.default_rng(0).integers(0, 256, (len(rows), *manifest.shape), dtype=np.uint8)
    wanted = request.train_request
    # What is adapted may be at work all the time.
    gan = wanted.gan.model_copy(update={"augment": ALL}) if wanted.gan.augment == "adaptive" else wanted.gan
    long = wanted.model_copy(update={"gan": gan, "train": wanted.train.model_copy(update={"images": 10**9})})
    return build_trainer(long, images, small, Ranks(), device)


def _classifier_seconds(request: Config, manifest: Manifest, device: torch.device) -> float:
    """The seconds of one step of the classifier's training, in one thread; a slow one is timed on a smaller batch."""
    batch, count = request.classifier.batch, len(manifest.labels)
    images = np.random.default_rng(0).integers(0, 256, (batch, *manifest.shape), dtype=np.uint8)
    one_hot = torch.eye(count, device=device)[torch.arange(batch) % count]
    with torch_threads(1), torch.random.fork_rng(devices=[]):
        model = build(request.classifier.name, manifest.shape, count)
        model = model.to(device).to(memory_format=torch.channels_last).train()
        optimizer = make_optimizer(request.classifier, model)

        def step(images: npt.NDArray[np.uint8], labels: torch.Tensor) -> None:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(to_input(images, device)), labels, manifest.task)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        few = min(batch, FEW)
        step(images[:few], one_hot[:few])  # the first one also prepares the libraries
        seconds = _timed(partial(step, images[:few], one_hot[:few]), device) * batch / few
        return seconds if seconds > ENOUGH_SECONDS else _timed(partial(step, images, one_hot), device)


def _timed(step: Any, device: torch.device) -> float:
    """The mean seconds of a few calls."""
    began, done = time.perf_counter(), 0
    while done < MOST_STEPS and (not done or time.perf_counter() - began < ENOUGH_SECONDS):
        step()
        done += 1
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / done


def _rounded(seconds: float) -> float:
    """With two digits: more would claim what nobody knows."""
    return float(f"{seconds:.2g}")
