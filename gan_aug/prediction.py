"""New images through a classifier of a run's comparison: files in, labels and a picture out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gan_aug.config_data import DataConfig
from gan_aug.data.decode import decode
from gan_aug.data.manifest import Manifest
from gan_aug.data.raster import Raster
from gan_aug.errors import DataError
from gan_aug.evaluation.cell_files import CELLS
from gan_aug.evaluation.prediction import predict, prediction_sheet
from gan_aug.run import RunDir, read_json, write_bytes


def predict_files(run: RunDir, files: list[Path], arm: str, picture: Path) -> list[dict[str, Any]]:
    """Label and probabilities of each image file by the arm's first classifier, and a PNG of them all.

    The files go through the same window, fit, filter and size as the data set did. Raises DataError where the run has
    no such classifier or a file is no image.
    """
    manifest = Manifest.load(run.dataset / "manifest.json")
    data = DataConfig.model_validate(read_json(run.dataset / "request.json")["data"])
    raster = Raster(*manifest.shape, data.fit, data.filter, data.window)
    images = np.stack([raster(decode(_existing(file))) for file in files])
    predictions = predict(_cell(run, arm), images)
    write_bytes(picture, prediction_sheet(images, predictions, [file.name for file in files]))
    return [
        {"file": str(file), "labels": list(prediction.labels), "probabilities": prediction.probabilities}
        for file, prediction in zip(files, predictions, strict=True)
    ]


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise DataError(f"no image file at {file}: check the path")
    return file


def _cell(run: RunDir, arm: str) -> Path:
    """The arm's cell with the lowest seed, of the comparison that was asked for last."""
    path = run.compare / CELLS
    arms: dict[str, list[str]] = read_json(path)["arms"] if path.exists() else {}
    if arm not in arms:
        known = f"it has {', '.join(sorted(arms))}" if arms else "run `gan-aug compare` on it first"
        raise DataError(f"{run.path} holds no classifier of the arm {arm!r}: {known}")
    return run.compare / "cells" / arms[arm][0]
