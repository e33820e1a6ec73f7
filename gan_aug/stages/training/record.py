"""What a training writes down beside its checkpoints: the losses, as numbers and as curves, and sample grids."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_aug.data.manifest import Manifest
from gan_aug.data.pictures.png import png_grid
from gan_aug.evaluation.checkpoints.scores import Scores
from gan_aug.gan.device.results import StepReport
from gan_aug.gan.seeds import Purpose
from gan_aug.gan.state import calibrated_average
from gan_aug.gan.trainer import GanTrainer
from gan_aug.report.plots.training import training_curves_png
from gan_aug.run import layout
from gan_aug.run.files import write_bytes, write_text
from gan_aug.run.folder import RunDir
from gan_aug.synthesis.sampler import sample

RECORDS = 400
"""Points of the loss curves over a whole training."""

ADAPTED = ("augment", "overfitting")
"""What is recorded of an adaptive augmentation: its probability, and the overfitting r_v."""

GRID_ROWS, GRID_COLUMNS = 16, 10


class TrainingRecord:
    """The losses so far, averaged over windows: saved in `train/history.jsonl`, drawn in `train/loss.png`."""

    def __init__(self, run: RunDir, trainer: GanTrainer) -> None:
        self._run, self._trainer = run, trainer
        self._path = run.train / layout.HISTORY
        self._points = [point for point in _read_lines(self._path) if point["images"] <= trainer.images]
        self._window: list[StepReport] = []
        self._every = max(trainer.settings.batch, trainer.settings.images // RECORDS)
        self._started = (time.monotonic(), trainer.images)
        self._how = trainer.how

    def add(self, reports: Sequence[StepReport]) -> None:
        """Add steps; at the end of each window its mean becomes a point and an event."""
        for report in reports:
            self._add(report)
        if self._trainer.how != self._how:  # CUDA graphs were given up
            self._how = self._trainer.how
            self._run.emit("train", "note", f"the training goes on: {self._how}")

    def _add(self, report: StepReport) -> None:
        self._window.append(report)
        trainer = self._trainer
        if report.images < trainer.settings.images and report.images % self._every >= trainer.settings.batch:
            return
        values = {
            key: float(np.mean([getattr(step, key) for step in self._window]))
            for key in ("loss_d", "loss_g", "real", "fake", *(ADAPTED if trainer.adaptive else ()))
        }
        self._window = []
        self._points.append({"images": report.images, **values})
        seconds = time.monotonic() - self._started[0]
        values["rate"] = (report.images - self._started[1]) / max(seconds, 1e-9)
        rounded = {key: round(value, 4) for key, value in values.items()}
        total = trainer.settings.images
        self._run.emit("train", "progress", done=report.images, total=total, unit="images", values=rounded)

    def save(self) -> None:
        """Write the points; a resumed training keeps those up to its checkpoint."""
        write_text(self._path, "".join(json.dumps(point) + "\n" for point in self._points))

    def picture(self, manifest: Manifest, scores: Scores | None) -> None:
        """Write a sample grid, one row per class, and the curves of the losses and of the scores so far."""
        trainer, classes = self._trainer, min(len(manifest.labels), GRID_ROWS)
        labels = np.repeat(np.eye(len(manifest.labels), dtype=np.float32)[:classes], GRID_COLUMNS, axis=0)
        made = sample(calibrated_average(trainer), labels, seed=trainer.settings.seed, purpose=Purpose.PREVIEW)
        made_from = {"images_seen": trainer.images, "seed": trainer.settings.seed, "labels": list(manifest.labels)}
        rows = list(made.reshape(classes, GRID_COLUMNS, *manifest.shape))
        write_bytes(self._run.train / layout.sample_grid(trainer.images), png_grid(rows, made_from))
        if self._points:
            training_curves_png(self._points, self._run.train / layout.LOSS_CURVES, scores)


def _read_lines(path: Path) -> list[dict[str, float]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []  # the curves are a picture for people: a torn file costs no result
