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
    predictions = predict(_cell(run, arm, manifest), images)
    write_bytes(picture, prediction_sheet(images, predictions, [file.name for file in files]))
    return [
        {"file": str(file), "labels": list(prediction.labels), "probabilities": prediction.probabilities}
        for file, prediction in zip(files, predictions, strict=True)
    ]


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise DataError(f"no image file at {file}: check the path")
    return file


def _cell(run: RunDir, arm: str, manifest: Manifest) -> Path:
    """The arm's cell with the lowest seed, of the comparison that was asked for last."""
    asked_path = run.compare / "request.json"
    asked = read_json(asked_path) if asked_path.exists() else {}
    found: dict[str, tuple[int, Path]] = {}
    for path in (run.compare / "cells").glob("[0-9a-f]*/request.json"):
        cell = read_json(path)
        same = (cell["classifier"], cell["base_seed"]) == (asked.get("classifier"), asked.get("seed"))
        if same and cell["dataset"] == manifest.fingerprint and cell["ratio"] in (None, asked["compare"]["ratio"]):
            found[cell["arm"]] = min((cell["seed"], path.parent), found.get(cell["arm"], (2**32, path.parent)))
    if arm not in found:
        known = f"it has {', '.join(sorted(found))}" if found else "run `gan-aug compare` on it first"
        raise DataError(f"{run.path} holds no classifier of the arm {arm!r}: {known}")
    return found[arm][1]
