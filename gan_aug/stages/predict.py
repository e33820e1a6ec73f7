"""The verb `predict`: labels for new images, by a classifier of a run's comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug.config.data import DataConfig
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources.open import images_in
from gan_aug.errors import DataError
from gan_aug.evaluation.classifiers.predict import predict, prediction_sheet
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_bytes
from gan_aug.run.folder import RunDir


@dataclass(frozen=True)
class FilePrediction:
    """What a classifier says of one image in a file.

    `labels` is the most probable label for multi-class, and for multi-label every one above one half, maybe none.
    `probabilities` has all labels, each in [0, 1]. `frame` counts from 1 in a file with several; else it is None.
    """

    file: Path
    frame: int | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]

    @property
    def name(self) -> str:
        """The file, and the frame if there are several, for people."""
        return f"{self.file}" + (f" frame {self.frame}" if self.frame else "")

    def to_json(self) -> dict[str, Any]:
        """The prediction as JSON values, `frame` only in a file with several."""
        frame = {"frame": self.frame} if self.frame else {}
        said = {"labels": list(self.labels), "probabilities": self.probabilities}
        return {"file": str(self.file)} | frame | said


def predict_files(run: RunDir, files: Sequence[Path], arm: str, picture: Path | None) -> list[FilePrediction]:
    """Ask the arm's first classifier about new images.

    Files are read with the window, fit, filter and size of the data set, DICOM files also as `data.dicom` says.

    Args:
        run: The run whose comparison trained the classifier.
        files: Image or DICOM files.
        arm: The arm, such as `real`.
        picture: A PNG to draw the images to, each with its answers; None draws none.

    Returns:
        A prediction for each image, and for each frame that `data.dicom.frames` selects in a file with several.

    Raises:
        DataError: The run has no such classifier, or a file is no image or may not be shown.
    """
    cell = _cell(run, arm)
    manifest = Manifest.load(run.dataset / layout.MANIFEST)
    data = DataConfig.model_validate(read_json(run.dataset / layout.REQUEST)["data"])
    raster = Raster(*manifest.shape, data.fit, data.filter, data.window)
    read = [(file, frame, image) for file in files for frame, image in images_in(file, data, raster)]
    images = np.stack([image for _, _, image in read])
    predictions = predict(cell, images)
    if picture:
        names = [file.name + (f" frame {frame}" if frame else "") for file, frame, _ in read]
        write_bytes(picture, prediction_sheet(images, predictions, names))
    return [
        FilePrediction(file, frame, prediction.labels, prediction.probabilities)
        for (file, frame, _), prediction in zip(read, predictions, strict=True)
    ]


def _cell(run: RunDir, arm: str) -> Path:
    """The folder of the arm's cell with the lowest seed, in the run's last comparison."""
    path = run.compare / layout.CELL_INDEX
    arms: dict[str, list[str]] = read_json(path)["arms"] if path.exists() else {}
    if arm not in arms:
        known = f"it has {', '.join(sorted(arms))}" if arms else "run `gan-aug compare` on it first"
        raise DataError(f"{run.path} holds no classifier of the arm {arm!r}: {known}")
    return run.compare / layout.CELLS / arms[arm][0]
