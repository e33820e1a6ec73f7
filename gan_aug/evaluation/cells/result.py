"""The result of a cell (one arm trained with one seed), and the findings that take all cells together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CellResult:
    """The result of one classifier.

    Scores are probabilities, with rows in the manifest's order of the split. Over the K labels they sum to 1 for
    multi-class; for multi-label each is independent.

    Attributes:
        key: The hash of the cell's inputs.
        arm: The arm that it was trained on.
        seed: The number of its seed, from 0.
        steps: The optimiser steps of the training.
        best_step: The step of the kept weights, chosen by the validation loss.
        seconds: The time that training and scoring took.
        parameters: The number of weights of the classifier.
        train_images: The number of `real` and of `synthetic` training images.
        history: One record per epoch with `epoch`, `step`, `train_loss`, `train_accuracy`, `validation_loss` and
            `validation_accuracy`.
        validation_scores: `(N, K) float64`.
        test_scores: `(N, K) float64`; N is 0 if the cell belongs to a search for a ratio.
        gan: The number of the GAN whose synthetic images it was trained on, from 0; None without synthetic images. It
            follows from the plan of the comparison and is not kept with the cell.
        environment: On what it was computed, see `compute.environment`; None if an earlier version computed it.
        internal_scores: Those of the internal test; None without one, and in a search for a ratio.
        drawn: What its training drew, as `WatchedTrainingSet.drawn` returns it; None in cells of versions before it.
        sums: The SHA-256 of the files that hold its scores and its weights, by their names, once it is kept.
    """

    key: str
    arm: str
    seed: int
    steps: int
    best_step: int
    seconds: float
    parameters: int
    train_images: dict[str, int]
    history: list[dict[str, Any]]
    validation_scores: npt.NDArray[np.float64]
    test_scores: npt.NDArray[np.float64]
    gan: int | None = None
    environment: dict[str, Any] | None = None
    internal_scores: npt.NDArray[np.float64] | None = None
    drawn: dict[str, Any] | None = None
    sums: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """What a comparison found in addition to its arms, as JSON values of the report; None for what was not asked for.

    Attributes:
        ratio: {`value`, `searched`}; see `ratio.choose_ratio`.
        curves: The rows of `learning_curves.curve_rows`.
        canaries: {`shuffled_labels`, `planted_test_image`, `watched_training`}; see `canaries`.
        steps: {`value`, `given`, `tried`}; see `training_length.choose_steps`.
        cells: The SHA-256 of the files of each cell that was used, by its key and the file's name; not in the report.
    """

    ratio: dict[str, Any] | None = None
    curves: list[dict[str, Any]] | None = None
    canaries: dict[str, Any] | None = None
    steps: dict[str, Any] | None = None
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
