"""The results of steps, which are read at once or some steps later, and the check that they are finite."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_aug.errors import TrainingDiverged


@dataclass(frozen=True)
class StepReport:
    """Both losses and D's mean logits of one step; `images` counts the real images seen after it.

    `augment` and `overfitting` are the adaptive augmentation's p and r_v; None without it.
    """

    images: int
    loss_d: float
    loss_g: float
    real: float
    fake: float
    augment: float | None = None
    overfitting: float | None = None


class _Done(NamedTuple):
    """A step that was not read yet: the images seen before it, those of its batch, and its results."""

    before: int
    batch: int
    row: Tensor


class Results:
    """The results of the steps that were not read yet, where they were computed."""

    def __init__(self) -> None:
        self._waiting: list[_Done] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, before: int, batch: int, row: Tensor) -> None:
        """Add those of a step.

        Args:
            before: The images seen before it.
            batch: Those of its batch.
            row: `(7 or 9,)`: the norm of D's gradient, D's loss with the penalty and without, the mean logits of real
                and of fake images, the norm of G's gradient, G's loss; with adaptive augmentation p and r_v.
        """
        self._waiting.append(_Done(before, batch, row))

    def read(self) -> list[StepReport]:
        """Wait for them, oldest first; raises TrainingDiverged for the first step that is not finite."""
        waiting, self._waiting = self._waiting, []
        rows = torch.stack([done.row for done in waiting]).tolist() if waiting else []
        return [_report(done, row) for done, row in zip(waiting, rows, strict=True)]

    def forget(self) -> None:
        """Leave out those that were not read."""
        self._waiting.clear()


def _report(done: _Done, row: list[float]) -> StepReport:
    norm_d, total, loss_d, on_real, on_fake, norm_g, loss_g, *adapted = row
    check_finite("discriminator", norm_d, total, done.before)
    check_finite("generator", norm_g, loss_g, done.before)
    return StepReport(done.before + done.batch, loss_d, loss_g, on_real, on_fake, *adapted)


def check_finite(name: str, norm: float, loss: float, images: int) -> None:
    """Raise TrainingDiverged if a loss or the norm of its gradient is not finite.

    Args:
        name: Of the network.
        norm: Of its gradient.
        loss: Its loss.
        images: How many images had been seen.
    """
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise TrainingDiverged(
            f"the {name}'s loss ({loss:g}) or its gradient (norm {norm:g}) is not finite after {images} images: "
            "lower train.lr and start in a new run folder"
        )
