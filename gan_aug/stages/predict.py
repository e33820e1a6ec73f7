"""The verb `predict`: labels for new images, by a classifier of a run's comparison."""

from __future__ import annotations

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gan_aug.config.data import DataConfig
from gan_aug.data.assumptions import NOTHING, collected
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.report import describe_assumed
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources.new_images import find_new_images
from gan_aug.data.sources.open import images_in
from gan_aug.errors import DataError, ManifestError, RunConflict, StorageError
from gan_aug.evaluation.cells.kept import find_cell
from gan_aug.evaluation.classifiers.networks import ClassifierCard, load_classifier
from gan_aug.evaluation.classifiers.predict import Prediction, predict_with, prediction_sheet
from gan_aug.evaluation.unlike import RULE, Likeness, learn_likeness, likeness_again
from gan_aug.run import layout
from gan_aug.run.events import Progress
from gan_aug.run.files import read_json, write_bytes, write_json, write_text
from gan_aug.run.folder import RunDir

if TYPE_CHECKING:
    from torch import nn

BATCH = 128
"""Images that are read and then labelled together."""

DRAWN = 100
"""Images on the picture, at most."""


@dataclass(frozen=True)
class FilePrediction:
    """What a classifier says of one image in a file, or why the file could not be read.

    `labels` is the most probable label for multi-class, and for multi-label every one above one half, maybe none.
    `probabilities` has all labels, each in [0, 1]. `frame` counts from 1 in a file with several; else it is None.
    `distance` says how far the image is from the nearest training image, and `detail` how far its amount of fine detail
    is from theirs. If one of them is above 1, the image is `unlike` them: the classifier was trained on nothing of the
    kind. They are None if the run no longer has its images. `error` is the reason if the file could not be read; then
    it has no labels and no probabilities. `assumed` says what was assumed to read it, as an import does.
    """

    file: Path
    frame: int | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    distance: float | None = None
    detail: float | None = None
    error: str | None = None
    assumed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file, and the frame if there are several, for people."""
        return f"{self.file}" + (f" frame {self.frame}" if self.frame is not None else "")

    @property
    def unlike(self) -> bool | None:
        """Whether the image is unlike the training images; None if that is not known."""
        return None if self.distance is None or self.detail is None else max(self.distance, self.detail) > 1

    def to_json(self) -> dict[str, Any]:
        """The prediction as JSON values, or `file` and `error`.

        `frame` is there only in a file with several, `assumed` only if something was.
        """
        assumed = {"assumed": list(self.assumed)} if self.assumed else {}
        frame = {"frame": self.frame} if self.frame is not None else {}
        if self.error is not None:
            return {"file": str(self.file)} | frame | {"error": self.error}
        said = {"labels": list(self.labels), "probabilities": self.probabilities, "unlike": self.unlike}
        measured = {"distance": self.distance, "detail": self.detail}
        rounded = {name: None if value is None else round(value, 4) for name, value in measured.items()}
        return {"file": str(self.file)} | frame | said | rounded | assumed


class Predictions(list[FilePrediction]):
    """The predictions in the order of the files.

    `likeness` says how the limit of `unlike` was set, and is None if the run no longer has its images. `passed_over`
    counts the files in folders that are no images.
    """

    likeness: Likeness | None = None
    passed_over: int = 0

    @property
    def failed(self) -> list[FilePrediction]:
        """The files that could not be read."""
        return [row for row in self if row.error is not None]

    def describe_assumed(self) -> str:
        """What was assumed of how many files, one per line, as an import says it; empty if nothing was."""
        of_files = {(row.file, what) for row in self for what in row.assumed}
        counts = Counter(sorted(what for _, what in of_files))
        return describe_assumed(dict(counts.most_common()), most=None)

    def to_csv(self) -> str:
        """A table with a row for each prediction.

        The columns are `file`, `frame`, `label` (several are joined by `|`), `probability of L` for each label L,
        `unlike`, `distance`, `detail` and `error`.
        """
        labels = next((list(row.probabilities) for row in self if row.probabilities), [])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        of_labels = [f"probability of {label}" for label in labels]
        writer.writerow(["file", "frame", "label", *of_labels, "unlike", "distance", "detail", "error"])
        for row in self:
            probabilities = [f"{row.probabilities[label]:.6g}" if row.probabilities else "" for label in labels]
            unlike = "" if row.unlike is None else "yes" if row.unlike else "no"
            measured = ["" if value is None else f"{value:.4g}" for value in (row.distance, row.detail)]
            frame = "" if row.frame is None else row.frame
            writer.writerow([row.file, frame, "|".join(row.labels), *probabilities, unlike, *measured, row.error or ""])
        return text.getvalue()


@dataclass(frozen=True)
class _NewImage:
    """An image that was read, `(C, H, W) uint8`; or the reason why its file could not be."""

    file: Path
    frame: int | None
    image: npt.NDArray[np.uint8] | None
    error: str | None = None
    assumed: tuple[str, ...] = ()


def predict_files(
    run: RunDir,
    paths: Sequence[Path],
    arm: str,
    picture: Path | None,
    table: Path | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Ask the arm's first classifier about new images; a file that cannot be read is told, and the others go on.

    Files are read with the window, fit, filter and size of the data set, DICOM files also as `data.dicom` says.

    Args:
        run: The run whose comparison trained the classifier.
        paths: Image or DICOM files, and folders, in which all files that can be read are taken at any depth.
        arm: The arm, such as `real`.
        picture: A PNG to draw the first images to, each with its answers; None draws none.
        table: A CSV to write all predictions to; None writes none.
        progress: Is told (files, files in all), from 0 on, if there are several.

    Returns:
        A prediction for each image, and for each frame that `data.dicom.frames` selects in a file with several.

    Raises:
        DataError: The run has no such classifier, or a folder has no image.
    """
    cell = find_cell(run.path, arm)
    manifest = Manifest.load(run.dataset / layout.MANIFEST)
    data = DataConfig.model_validate(read_json(run.dataset / layout.REQUEST)["data"])
    raster = Raster(*manifest.shape, data.fit, data.filter, data.window)
    model, card = load_classifier(cell)
    found = Predictions()
    found.likeness = _likeness(run, manifest)
    files, found.passed_over = find_new_images(paths, data.source)
    drawn: list[tuple[npt.NDArray[np.uint8], FilePrediction]] = []
    for batch in _batches(_read(files, data, raster, progress)):
        rows = _labelled(batch, model, card, found.likeness)
        found += rows
        whole = [(new.image, row) for new, row in zip(batch, rows, strict=True) if new.image is not None]
        drawn += whole[: DRAWN - len(drawn)] if picture else []
    if picture and drawn:
        write_bytes(picture, _sheet(drawn))
    if table:
        write_text(table, found.to_csv())
    return found


def _read(files: Sequence[Path], data: DataConfig, raster: Raster, progress: Progress | None) -> Iterator[_NewImage]:
    """The images in the files, and in their place what could not be read."""
    tell = progress if len(files) > 1 else None
    for done, file in enumerate(files):
        if tell:
            tell(done, len(files))
        try:
            with collected() as assumed:
                for frame, image in images_in(file, data, raster):
                    yield _NewImage(file, frame, image, assumed=assumed.in_words())
                    assumed.flags = NOTHING  # those of the next frame are its own
        except DataError as error:
            yield _NewImage(file, None, None, str(error))
    if tell:
        tell(len(files), len(files))


def _batches(images: Iterator[_NewImage]) -> Iterator[list[_NewImage]]:
    while batch := list(islice(images, BATCH)):
        yield batch


def _labelled(
    batch: list[_NewImage], model: nn.Module, card: ClassifierCard, likeness: Likeness | None
) -> list[FilePrediction]:
    """A prediction for each image of a batch; those that could not be read say why."""
    images = [new.image for new in batch if new.image is not None]
    stack = np.stack(images) if images else np.empty((0, *card.shape), np.uint8)
    said = iter(predict_with(model, card, stack))
    measured = iter(likeness.measure(stack).tolist() if likeness and images else ())
    rows = []
    for new in batch:
        if new.image is None:
            rows.append(FilePrediction(new.file, new.frame, (), {}, error=new.error))
        else:
            one, (distance, detail) = next(said), next(measured, (None, None))
            rows.append(
                FilePrediction(
                    new.file, new.frame, one.labels, one.probabilities, distance, detail, assumed=new.assumed
                )
            )
    return rows


def _likeness(run: RunDir, manifest: Manifest) -> Likeness | None:
    """What is usual in the run's own images; None if they are not in its folder.

    What takes long is kept in the run folder for the next time.
    """
    try:
        images = open_images(run.dataset, manifest)
    except ManifestError:
        return None
    path, made_of = run.path / layout.LIKENESS, {"dataset": manifest.fingerprint, "rule": RULE}
    with contextlib.suppress(RunConflict, OSError, KeyError, TypeError):  # damaged or absent: it is learnt again
        kept = read_json(path)
        if kept["made_of"] == made_of:
            return likeness_again(images, manifest, kept["limits"])
    found = learn_likeness(images, manifest)
    with contextlib.suppress(StorageError):  # a folder that others may only read serves as well
        write_json(path, {"schema": 1, "made_of": made_of, "limits": found.limits()})
    return found


def _sheet(drawn: Sequence[tuple[npt.NDArray[np.uint8], FilePrediction]]) -> bytes:
    """A PNG of images, each with its name and answers; those unlike the training images say so."""
    names = []
    for _, row in drawn:
        frame = "" if row.frame is None else f" frame {row.frame}"
        names.append(f"{'UNLIKE: ' if row.unlike else ''}{row.file.name}{frame}")
    answers = [Prediction(row.labels, row.probabilities) for _, row in drawn]
    return prediction_sheet(np.stack([image for image, _ in drawn]), answers, names)
