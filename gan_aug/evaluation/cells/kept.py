"""A classifier of a comparison, as its cell keeps it: found by its arm, and asked about new images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from gan_aug.errors import DataError
from gan_aug.evaluation.classifiers.networks import ClassifierCard, load_classifier, predict_scores
from gan_aug.run import layout
from gan_aug.run.files import read_json


@dataclass(frozen=True)
class KeptClassifier:
    """A classifier that a comparison has trained, loaded.

    Attributes:
        arm: The arm that it was trained for.
        cell: The key of its cell.
        model: The network.
        card: Its description.
        auc: The `value` and `ci95` of the arm's AUC on the real test images, None if the run has no report.
    """

    arm: str
    cell: str
    model: nn.Module
    card: ClassifierCard
    auc: dict[str, Any] | None

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The probability of each label for images `(N, C, H, W) uint8`, `(N, K) float64`."""
        return predict_scores(self.model, images, self.card.task)

    def to_json(self) -> dict[str, Any]:
        """Which one it is, as JSON values."""
        return {"arm": self.arm, "cell": self.cell, "auc": self.auc}

    def describe(self) -> str:
        """What its answers are worth, as a sentence."""
        known = "how well it does is not known, since the run has no report"
        if self.auc:
            low, high = self.auc["ci95"]
            known = f"AUC of this arm on the real test images {self.auc['value']:.3f}, {low:.3f} to {high:.3f}"
        return (
            f"probabilities are those of the classifier of the arm {self.arm} ({known}): they say how it sees an "
            "image, not how likely a disease is"
        )


def find_cell(run: Path, arm: str) -> Path:
    """The folder of the arm's cell with the lowest seed, in the last comparison of a run folder.

    Raises DataError if there is none.
    """
    path = run / layout.COMPARE / layout.CELL_INDEX
    arms: dict[str, list[str]] = read_json(path)["arms"] if path.exists() else {}
    if arm not in arms:
        known = f"it has {', '.join(sorted(arms))}" if arms else "run `gan-aug compare` on it first"
        raise DataError(f"{run} holds no classifier of the arm {arm!r}: {known}")
    return run / layout.COMPARE / layout.CELLS / arms[arm][0]


def load_kept(run: Path, arm: str) -> KeptClassifier:
    """The classifier of the arm's first cell in a run folder, on the CPU.

    Raises DataError if there is none, and CheckpointError if it is not complete.
    """
    cell = find_cell(run, arm)
    model, card = load_classifier(cell)
    report = run / layout.REPORT
    of_arm = read_json(report)["arms"].get(arm) if report.exists() else None
    auc = {"value": of_arm["auc"]["value"], "ci95": of_arm["auc"]["ci95"]} if of_arm else None
    return KeptClassifier(arm, cell.name, model, card, auc)
