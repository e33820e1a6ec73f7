"""Finds arms that were trained too briefly, by the losses of their trainings.

The learning rate falls to 0 along a cosine, so a loss falls at the end of most trainings, if only a little. What tells
a training that was too short from others is how much its second half still gained on validation, and that the network
does not fit its training images better than others yet.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

LATE_GAIN = 0.01
"""What the second half of a training may gain in validation loss, as a share of the loss of guessing."""

LAST = 0.9
"""Weights that are kept after this share of the steps are those of the end."""

LEARNT_NOTHING = 0.98
HARDLY_FITTED = 0.95
"""A network has hardly begun if its validation and its training loss are still above these shares of guessing."""


@dataclass(frozen=True)
class UnderTrained:
    """Why an arm counts as trained too briefly; means over its seeds.

    Attributes:
        late_gain: By how much the second half of the training lowered the best validation loss, as a share of the loss
            of guessing by the labels' shares.
        kept_at: The share of the steps after which the tested weights were kept, the median over seeds.
        train_loss: At the end.
        validation_loss: The lowest one.
        hardly_begun: Whether both losses are still about those of guessing.
    """

    late_gain: float
    kept_at: float
    train_loss: float
    validation_loss: float
    hardly_begun: bool


def under_trained(cells: Sequence[CellResult], validation: GroundTruth, pretrain: float) -> UnderTrained | None:
    """Whether an arm was trained too briefly, and why.

    It was if the second half of its training still gained `LATE_GAIN` or more, and its weights are those of the end; or
    if it has hardly begun to learn. Of an arm on nothing but the real images as they are it is enough, instead of the
    weights of the end, that it fits them no better than the validation images. Of an arm that is pretrained the part on
    real images counts.

    Args:
        cells: The results of the arm's seeds.
        validation: The labels of the validation images.
        pretrain: The share of the steps that a pretrained arm takes on synthetic images.

    Returns:
        The reason, or None if it was not, or if too few validation points show it.
    """
    guessing = loss_of_guessing(validation)
    row = ARMS.get(cells[0].arm)
    seen = [_of_training(cell, pretrain if row and row.pretrain else 0.0) for cell in cells]
    if guessing <= 0 or not all(seen):
        return None
    gains, kept, train, best = (list(values) for values in zip(*(one for one in seen if one), strict=True))
    found = UnderTrained(
        late_gain=statistics.fmean(gains) / guessing,
        kept_at=statistics.median(kept),
        train_loss=statistics.fmean(train),
        validation_loss=statistics.fmean(best),
        hardly_begun=statistics.fmean(best) >= LEARNT_NOTHING * guessing
        and statistics.fmean(train) >= HARDLY_FITTED * guessing,
    )
    comparable = row is not None and not (row.classic or row.needs_synthetic)
    unfitted = comparable and found.train_loss >= found.validation_loss
    short = found.late_gain >= LATE_GAIN and (found.kept_at >= LAST or unfitted)
    return found if short or found.hardly_begun else None


def loss_of_guessing(truth: GroundTruth) -> float:
    """The mean loss of a classifier that knows only how common each label is: the entropy of the labels, in nats."""
    shares = truth.labels.mean(axis=0)
    if truth.multi_label:
        return float(sum(_term(p) + _term(1 - p) for p in shares) / len(shares))
    return float(sum(_term(p) for p in shares))


def _term(p: float) -> float:
    return -p * math.log(p) if p > 0 else 0.0


def _of_training(cell: CellResult, pretrain: float) -> tuple[float, float, float, float] | None:
    """What the second half gained, when the weights were kept, the last training loss, the lowest validation loss.

    None if there are no validation points in one of the halves.
    """
    start = min(cell.steps - 1, max(1, round(pretrain * cell.steps))) if pretrain else 0
    points = [point for point in cell.history if point["step"] > start]
    middle = start + (cell.steps - start) / 2
    before = [point["validation_loss"] for point in points if point["step"] <= middle]
    after = [point["validation_loss"] for point in points if point["step"] > middle]
    if not before or not after:
        return None
    lowest = min(*before, *after)
    return (
        min(before) - lowest,
        (cell.best_step - start) / (cell.steps - start),
        points[-1]["train_loss"],
        lowest,
    )
