"""The unit of the comparison: one arm trained with one seed, and what it leaves behind; and what all of them show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CellResult:
    """What one classifier, trained on arm `arm` with seed `seed`, showed.

    Scores are probabilities `(N, K) float64`, rows in the manifest's order of the split: they sum to 1 over K for
    multi-class and are independent for multi-label. `history` holds one record per epoch with `epoch`, `step`,
    `train_loss`, `train_accuracy`, `validation_loss`, `validation_accuracy`. `best_step` is the step of the kept
    weights, chosen on validation loss. `train_images` counts `real` and `synthetic` training images.
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


@dataclass(frozen=True)
class Findings:
    """What a comparison found beside its arms, as JSON values of the report; None for what was not asked.

    `ratio` is {`value`, `searched`} (see `ratio.choose_ratio`), `curves` the rows of `learning_curves.curve_rows`,
    `canaries` {`shuffled_labels`, `planted_test_image`}.
    """

    ratio: dict[str, Any] | None = None
    curves: list[dict[str, Any]] | None = None
    canaries: dict[str, Any] | None = None
