"""Trains one classifier for an exact number of optimiser steps; keeps the weights with the lowest validation loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.manifest import Manifest, Task
from gan_aug.eager import eager
from gan_aug.errors import Cancelled, DataError, TrainingDiverged
from gan_aug.evaluation.arms import ArmPlan, TrainingSet
from gan_aug.evaluation.classifiers.networks import build, predict_logits, to_input

CPU = torch.device("cpu")

EARLIEST = 5
"""The first validation comes after this many steps at the earliest."""


@dataclass(frozen=True)
class HeldOut:
    """Images `(N, C, H, W) uint8` on which a classifier is scored, with labels `(N, K) float32` of zeros and ones."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A trained classifier with its best weights, in evaluation mode.

    `steps` counts all optimiser steps; `best_step` is the one after which the weights were best. `history` holds the
    losses at each validation, as in CellResult.
    """

    model: nn.Module
    steps: int
    best_step: int
    history: list[dict[str, Any]]


@dataclass
class _Tally:
    """Running loss and accuracy of the training batches since the last validation."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    def flush(self) -> dict[str, float]:
        record = {"train_loss": float(np.mean(self.losses)), "train_accuracy": float(np.mean(self.accuracies))}
        self.losses.clear()
        self.accuracies.clear()
        return record


def fit(
    config: ClassifierConfig,
    manifest: Manifest,
    training: TrainingSet,
    validation: HeldOut,
    seed: int,
    *,
    pretrain: float = 0.0,
    device: torch.device = CPU,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Fitted:
    """Train a classifier for exactly `config.steps` steps; everything random comes from `seed`.

    The learning rate falls to zero along a cosine. At `config.epochs` evenly spread points the validation loss is
    computed, and the weights with the lowest loss are kept; the AUC would not do, because it saturates on easy sets.
    Initial weights, the order of the images (given their number) and dropout depend only on `seed`, so all arms share
    them. Torch's global random state is left unchanged.

    If the plan says pretrain, the first steps use only synthetic images and the others only real ones. Learning rate
    and optimiser continue from one part to the next, so with a share of one half fine-tuning begins at half the rate.
    The weights are chosen in the second part, because before it the network has seen no real image.

    Args:
        config: The classifier and its training.
        manifest: The data set, for its labels and image shape.
        training: The arm's training images.
        validation: The images by which the weights are chosen.
        seed: Of everything random.
        pretrain: The share of the steps of the first part, if the plan says pretrain.
        device: Where it is trained.
        progress: Called with the number of steps done at each validation.
        cancelled: Asked at each validation whether to stop.

    Returns:
        The classifier with its best weights.

    Raises:
        DataError: There are no validation images.
        TrainingDiverged: A loss is not finite.
        Cancelled: `cancelled` returned True.
    """
    if len(validation.images) == 0:
        raise DataError(f"{manifest.name} has no validation images for choosing weights: set data.validation above 0")
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        model = build(config.name, manifest.shape, len(manifest.labels))
        model = model.to(device).to(memory_format=torch.channels_last)
        trainer = _Trainer(config, manifest.task, model, seed)
        return trainer.run(training, validation, pretrain, progress, cancelled)


def learning_rate(config: ClassifierConfig) -> float:
    """The learning rate of `config`, or the default for its optimiser."""
    return config.lr if config.lr is not None else 0.02 if config.optimizer == "sgd" else 1e-3


def weight_decay(config: ClassifierConfig) -> float:
    """The weight decay of `config`, or the default for its optimiser."""
    if config.weight_decay is not None:
        return config.weight_decay
    # Only AdamW decouples it from the gradient; added to the gradient, 1e-2 would outweigh small gradients.
    return 1e-2 if config.optimizer == "adamw" else 5e-4


def make_optimizer(config: ClassifierConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of `config` for the model's parameters; biases and normalisation have no weight decay."""
    lr, decay = learning_rate(config), weight_decay(config)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    match config.optimizer:
        case "adam":
            return eager(torch.optim.Adam)(groups, lr)
        case "adamw":
            return eager(torch.optim.AdamW)(groups, lr)
        case "sgd":
            return eager(torch.optim.SGD)(groups, lr, momentum=0.9, nesterov=True)
        case "rmsprop":
            return eager(torch.optim.RMSprop)(groups, lr)


def loss_of(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """The mean loss of a batch.

    Args:
        logits: `(B, K)`.
        labels: `(B, K)` of zeros and ones.
        task: Cross-entropy for multi-class, binary cross-entropy of each label for multi-label.

    Returns:
        A scalar.
    """
    if task == "multi-class":
        return F.cross_entropy(logits, labels.argmax(dim=1))
    return F.binary_cross_entropy_with_logits(logits, labels)


def accuracy_of(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> float:
    """The accuracy of a batch.

    Args:
        logits: `(B, K)`.
        labels: `(B, K)` of zeros and ones.
        task: The share of right images for multi-class; the share of right labels, with a threshold of one half, for
            multi-label.

    Returns:
        From 0 to 1.
    """
    if task == "multi-class":
        return float((logits.argmax(dim=1) == labels.argmax(dim=1)).double().mean())
    return float(((logits > 0) == (labels > 0.5)).double().mean())


def image_order(count: int, batch: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """The positions of the images of one batch after the other, without end.

    Each pass over the images is a random permutation. A batch may span the end of one pass and the start of the next,
    so all batches have the same size.

    Args:
        count: The number of images.
        batch: Images per batch.
        seed: Of the permutations.

    Yields:
        Positions `(batch,) int64`.
    """
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(count)])
        yield waiting[:batch]
        waiting = waiting[batch:]


def phases(plan: ArmPlan, steps: int, pretrain: float) -> list[tuple[int, int, int]]:
    """The parts of a training: one, or two with pretraining.

    Args:
        plan: The arm's training images, the real ones first.
        steps: The steps of the whole training.
        pretrain: The share of the steps of the first part, on synthetic images.

    Returns:
        For each part its number of steps, its first position in the training set and its number of positions. The
        numbers of steps add up to `steps`; of two parts each has at least one step.
    """
    if not plan.pretrain:
        return [(steps, 0, len(plan.labels))]
    before = min(steps - 1, max(1, round(pretrain * steps)))
    return [(before, len(plan.real), plan.synthetic), (steps - before, 0, len(plan.real))]


def validation_steps(steps: int, epochs: int, start: int = 0) -> list[int]:
    """The steps after which the model is validated.

    They are evenly spread. Between two of them a network can memorise a few hundred images, so there are some more
    after the training on real images has begun: after a half, a quarter, ... of the distance between two of them, down
    to EARLIEST steps.

    Args:
        steps: The steps of the whole training.
        epochs: The number of evenly spread validations, or `steps` if that is fewer.
        start: The step after which the training on real images begins.

    Returns:
        The steps in order; the last one is `steps`.
    """
    points = min(steps, epochs)
    even = [steps * (epoch + 1) // points for epoch in range(points)]
    early, gap = [], steps // points // 2
    while points > 1 and gap >= EARLIEST:
        early.append(start + gap)
        gap //= 2
    return sorted({*even, *(step for step in early if step < steps)})


class _Trainer:
    """The training loop and its state between steps."""

    def __init__(self, config: ClassifierConfig, task: Task, model: nn.Module, seed: int) -> None:
        self.config = config
        self.task = task
        self.seed = seed
        self.steps = 0
        self.model = model.train()
        self.device = next(model.parameters()).device
        self.optimizer = make_optimizer(config, model)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, config.settled_steps)

    def run(
        self,
        training: TrainingSet,
        validation: HeldOut,
        pretrain: float,
        progress: Callable[[int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> Fitted:
        steps = self.config.settled_steps
        parts = phases(training.plan, steps, pretrain)
        kept_from = steps - parts[-1][0]
        points = validation_steps(steps, self.config.epochs, kept_from)
        tally = _Tally()
        history: list[dict[str, Any]] = []
        best = (float("inf"), 0, {k: v.clone() for k, v in self.model.state_dict().items()})
        for step, positions in enumerate(self._order(parts), start=1):
            self._step(step, training, positions, tally)
            if step != points[len(history)]:
                continue
            record = {"epoch": len(history) + 1, "step": step, **tally.flush(), **self._validate(step, validation)}
            history.append(record)
            if step > kept_from and record["validation_loss"] < best[0]:
                best = (record["validation_loss"], step, {k: v.clone() for k, v in self.model.state_dict().items()})
            if progress:
                progress(step)
            if cancelled and cancelled():
                raise Cancelled("stopped on request: the cells finished so far are kept")
        self.model.load_state_dict(best[2])
        return Fitted(self.model.eval(), self.steps, best[1], history)

    def _order(self, parts: list[tuple[int, int, int]]) -> Iterator[npt.NDArray[np.int64]]:
        """The positions of each step's batch, one part after the other."""
        for steps, first, count in parts:
            for positions in islice(image_order(count, self.config.batch, self.seed), steps):
                yield positions + first

    def _step(self, step: int, training: TrainingSet, positions: npt.NDArray[np.int64], tally: _Tally) -> None:
        labels = torch.from_numpy(training.plan.labels[positions]).to(self.device)
        images = training.images(positions)
        if training.augmentation:
            drawn = step * len(positions)  # the number of each image drawn determines its augmentation
            images = training.augmentation(images, self.seed, range(drawn - len(positions), drawn))
        logits = self.model(to_input(images, self.device))
        loss = loss_of(logits, labels, self.task)
        value = self._finite(float(loss.detach()), "training", step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.steps += 1
        self.schedule.step()
        tally.losses.append(value)
        tally.accuracies.append(accuracy_of(logits.detach(), labels, self.task))

    def _validate(self, step: int, validation: HeldOut) -> dict[str, float]:
        logits = torch.from_numpy(predict_logits(self.model, validation.images))
        labels = torch.from_numpy(validation.labels)
        loss = self._finite(float(loss_of(logits.double(), labels.double(), self.task)), "validation", step)
        return {"validation_loss": loss, "validation_accuracy": accuracy_of(logits, labels, self.task)}

    def _finite(self, loss: float, what: str, step: int) -> float:
        if not np.isfinite(loss):
            raise TrainingDiverged(
                f"the {what} loss of the classifier {self.config.name} is {loss} at step {step}: "
                f"lower classifier.lr (now {learning_rate(self.config):g})"
            )
        return loss
