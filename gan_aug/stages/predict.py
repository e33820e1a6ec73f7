"""New images through a classifier of a run's comparison: files in, labels and a picture out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.config.data import DataConfig
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.header import read_header
from gan_aug.data.dicom.pixels import read_frame
from gan_aug.data.manifest import Manifest
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.decode import SUFFIXES, decode
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources.dicom import check_installed, chosen_frames
from gan_aug.errors import DataError
from gan_aug.evaluation.classifiers.predict import predict, prediction_sheet
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_bytes
from gan_aug.run.folder import RunDir


def predict_files(run: RunDir, files: list[Path], arm: str, picture: Path) -> list[dict[str, Any]]:
    """Label and probabilities of each image by the arm's first classifier, and a PNG of them all.

    Files go through the same window, fit, filter and size as the data set did, DICOM files as `data.dicom` says there;
    one with several frames gives a row for each that is asked for, with its number from 1. Raises DataError where the
    run has no such classifier or a file is no image, or may not be shown.
    """
    manifest = Manifest.load(run.dataset / layout.MANIFEST)
    data = DataConfig.model_validate(read_json(run.dataset / layout.REQUEST)["data"])
    raster = Raster(*manifest.shape, data.fit, data.filter, data.window)
    read = [(file, frame, image) for file in files for frame, image in _images(file, data, raster)]
    images = np.stack([image for _, _, image in read])
    predictions = predict(_cell(run, arm), images)
    names = [file.name + (f" frame {frame}" if frame else "") for file, frame, _ in read]
    write_bytes(picture, prediction_sheet(images, predictions, names))
    return [
        {"file": str(file)}
        | ({"frame": frame} if frame else {})
        | {"labels": list(prediction.labels), "probabilities": prediction.probabilities}
        for (file, frame, _), prediction in zip(read, predictions, strict=True)
    ]


def _images(file: Path, data: DataConfig, raster: Raster) -> Iterator[tuple[int | None, npt.NDArray[np.uint8]]]:
    """The images in `file`, as stored ones are, each with its frame number where there are several."""
    if not file.is_file():
        raise DataError(f"no image file at {file}: check the path")
    try:
        if not _is_dicom(file, data):
            yield None, raster(decode(file))
            return
        check_installed("dicom")
        dicom = DicomFile(1, file, file.name)
        count = read_header(dicom, data.dicom, IdentityKey.random()).frames
        for frame in chosen_frames(count, data.dicom.frames):
            pixels = read_frame(dicom, frame, data.dicom)
            yield frame + 1 if count > 1 else None, replace(raster, window="full")(pixels)
    except DataError as error:
        raise DataError(f"{file} cannot be read ({error}): leave it out") from error


def _is_dicom(file: Path, data: DataConfig) -> bool:
    """Whether `file` says so itself, or may be one without the preamble in a run made from such."""
    if data.source in ("dicom", "dicomweb") and file.suffix.lower() not in SUFFIXES:
        return True
    try:
        with file.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False  # the decoder says why


def _cell(run: RunDir, arm: str) -> Path:
    """The arm's cell with the lowest seed, of the comparison that was asked for last."""
    path = run.compare / layout.CELL_INDEX
    arms: dict[str, list[str]] = read_json(path)["arms"] if path.exists() else {}
    if arm not in arms:
        known = f"it has {', '.join(sorted(arms))}" if arms else "run `gan-aug compare` on it first"
        raise DataError(f"{run.path} holds no classifier of the arm {arm!r}: {known}")
    return run.compare / layout.CELLS / arms[arm][0]
