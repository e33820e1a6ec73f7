"""Training one classifier: an exact number of optimiser steps, the weights of the lowest validation loss kept."""

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
from gan_aug.errors import Cancelled, DataError, TrainingDiverged
from gan_aug.evaluation.arms import ArmPlan, TrainingSet
from gan_aug.evaluation.classifiers.networks import build, predict_logits, to_input

CPU = torch.device("cpu")

EARLIEST = 5
"""Steps after which the weights are validated first, at the earliest."""


@dataclass(frozen=True)
class HeldOut:
    """Images `(N, C, H, W) uint8` a classifier is scored on, with labels `(N, K) float32` of zeros and ones."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A trained classifier with its best weights, in evaluation mode; `history` is CellResult's.

    `steps` counts the optimiser steps that were taken.
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
    """Train the classifier of `config` for exactly `config.steps` steps; everything random comes from `seed`.

    The learning rate falls along a cosine to zero. At `config.epochs` evenly spread points the validation loss is
    taken (AUC saturates on easy sets) and the best weights are kept. Initial weights, the order of the images (given
    their number) and dropout depend on `seed` alone, so they are shared between arms. Torch's global random state is
    left as found. `progress` gets the number of steps done at each of those points.

    Where the plan says pretrain, the first `pretrain` of the steps see synthetic images alone and the rest real ones
    alone. Rate and optimiser go on across the border, so that with one half fine-tuning starts at half the rate; the
    weights kept are of the second part, since before it the network has seen no real image.

    Raises DataError without validation images, TrainingDiverged when a loss is not finite, Cancelled when `cancelled`
    says so.
    """
    if len(validation.images) == 0:
        raise DataError(f"{manifest.name} has no validation images to choose weights by: set data.validation above 0")
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        model = build(config.name, manifest.shape, len(manifest.labels))
        model = model.to(device).to(memory_format=torch.channels_last)
        trainer = _Trainer(config, manifest.task, model, seed)
        return trainer.run(training, validation, pretrain, progress, cancelled)


def learning_rate(config: ClassifierConfig) -> float:
    """The learning rate of `config`, or the one that suits its optimiser."""
    return config.lr if config.lr is not None else 0.02 if config.optimizer == "sgd" else 1e-3


def weight_decay(config: ClassifierConfig) -> float:
    """The weight decay of `config`, or the one that suits its optimiser."""
    if config.weight_decay is not None:
        return config.weight_decay
    # Only AdamW keeps it apart from the gradient's own scale; added to the gradient, 1e-2 would drown small ones.
    return 1e-2 if config.optimizer == "adamw" else 5e-4


def make_optimizer(config: ClassifierConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of `config` over the model's parameters; weight decay is left off biases and normalisation."""
    lr, decay = learning_rate(config), weight_decay(config)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(groups, lr)
        case "adamw":
            return torch.optim.AdamW(groups, lr)
        case "sgd":
            return torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr)


def loss_of(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """Mean loss of logits `(B, K)` given labels `(B, K)` of zeros and ones: cross-entropy, or binary per label."""
    if task == "multi-class":
        return F.cross_entropy(logits, labels.argmax(dim=1))
    return F.binary_cross_entropy_with_logits(logits, labels)


def accuracy_of(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> float:
    """Share of right images for multi-class; share of right labels, cut at one half, for multi-label."""
    if task == "multi-class":
        return float((logits.argmax(dim=1) == labels.argmax(dim=1)).double().mean())
    return float(((logits > 0) == (labels > 0.5)).double().mean())


def image_order(count: int, batch: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions `(batch,) int64` of one batch after the other, forever: each pass over `count` images a permutation.

    Batches run across the border of two passes, so all have the same size.
    """
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(count)])
        yield waiting[:batch]
        waiting = waiting[batch:]


def phases(plan: ArmPlan, steps: int, pretrain: float) -> list[tuple[int, int, int]]:
    """What is trained on when: steps, first position and number of positions of each part, in order.

    The steps sum to `steps`; each part has at least one where there are two.
    """
    if not plan.pretrain:
        return [(steps, 0, len(plan.labels))]
    before = min(steps - 1, max(1, round(pretrain * steps)))
    return [(before, len(plan.real), plan.synthetic), (steps - before, 0, len(plan.real))]


def validation_steps(steps: int, epochs: int, start: int = 0) -> list[int]:
    """The steps after which to validate: `epochs` of them (or `steps` where those are fewer), evenly spread.

    A few hundred images are learnt by heart between two of these. So there are more where `start` steps are over and
    the real images begin: after a half, a quarter, ... of the way between two, down to EARLIEST steps.
    """
    points = min(steps, epochs)
    even = [steps * (epoch + 1) // points for epoch in range(points)]
    early, gap = [], steps // points // 2
    while points > 1 and gap >= EARLIEST:
        early.append(start + gap)
        gap //= 2
    return sorted({*even, *(step for step in early if step < steps)})


class _Trainer:
    """The loop, with what it keeps between steps."""

    def __init__(self, config: ClassifierConfig, task: Task, model: nn.Module, seed: int) -> None:
        self.config = config
        self.task = task
        self.seed = seed
        self.steps = 0
        self.model = model.train()
        self.device = next(model.parameters()).device
        self.optimizer = make_optimizer(config, model)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, config.steps)

    def run(
        self,
        training: TrainingSet,
        validation: HeldOut,
        pretrain: float,
        progress: Callable[[int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> Fitted:
        parts = phases(training.plan, self.config.steps, pretrain)
        kept_from = self.config.steps - parts[-1][0]
        points = validation_steps(self.config.steps, self.config.epochs, kept_from)
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
            drawn = step * len(positions)  # every image drawn has a number, and by it an augmentation of its own
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
