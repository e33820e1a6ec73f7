"""New images through a classifier of a run's comparison: files in, labels and a picture out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gan_aug.config import DataConfig
from gan_aug.data.decode import decode
from gan_aug.data.manifest import Manifest
from gan_aug.data.raster import Raster
from gan_aug.errors import DataError
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
    """The arm's cell with the lowest seed."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted((run.compare / "cells").glob("[0-9a-f]*/request.json")):
        request = read_json(path)
        found[request["arm"]] = min((request["seed"], path.parent), found.get(request["arm"], (10**9, path.parent)))
    if arm not in found:
        known = f"it has {', '.join(found)}" if found else "run `gan-aug compare` on it first"
        raise DataError(f"{run.path} holds no classifier of the arm {arm!r}: {known}")
    return found[arm][1]
