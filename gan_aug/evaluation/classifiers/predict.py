"""Predictions of a stored classifier for new images, and a contact sheet of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures.sheet import BLACK, GREY, LINE, MARGIN, TILE, enlarged, write_line
from gan_aug.errors import DataError
from gan_aug.evaluation.classifiers.networks import ClassifierCard, load_classifier, predict_scores

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from torch import nn

THRESHOLD = 0.5
BARS = 5  # labels shown per image, the most probable ones


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image: its labels, and each label's probability in [0, 1].

    For multi-class `labels` holds the most probable label; for multi-label every label above one half, possibly none.
    """

    labels: tuple[str, ...]
    probabilities: dict[str, float]


def predict(cell: Path, images: npt.NDArray[np.uint8]) -> list[Prediction]:
    """The predictions of the classifier in a cell's folder for images `(N, C, H, W) uint8`.

    Raises CheckpointError if there is no complete classifier, and DataError if the images have another shape.
    """
    return predict_with(*load_classifier(cell), images)


def predict_with(model: nn.Module, card: ClassifierCard, images: npt.NDArray[np.uint8]) -> list[Prediction]:
    """The predictions of a classifier that is loaded.

    Args:
        model: The classifier.
        card: Its description.
        images: `(N, C, H, W) uint8`.

    Returns:
        One for each image.

    Raises:
        DataError: The images have another shape than the classifier takes.
    """
    if images.ndim != 4 or images.shape[1:] != card.shape or images.dtype != np.uint8:
        raise DataError(
            f"the images are {images.shape[1:]} {images.dtype}, but the classifier takes {card.shape} uint8: resize "
            "and convert them first"
        )
    if len(images) == 0:
        return []
    predictions = []
    for row in predict_scores(model, images, card.task):
        chosen = [int(row.argmax())] if card.task == "multi-class" else np.flatnonzero(row > THRESHOLD).tolist()
        probabilities = {label: float(p) for label, p in zip(card.labels, row, strict=True)}
        predictions.append(Prediction(tuple(card.labels[k] for k in chosen), probabilities))
    return predictions


def prediction_sheet(
    images: npt.NDArray[np.uint8], predictions: list[Prediction], names: list[str], columns: int = 4
) -> bytes:
    """Draw a contact sheet: each image above its name, its labels and bars of its probabilities.

    Args:
        images: `(N, C, H, W) uint8`.
        predictions: One per image.
        names: One per image.
        columns: Images per row.

    Returns:
        A PNG file.
    """
    from PIL import Image, ImageDraw

    columns = max(1, min(columns, len(images)))
    bars = max((min(BARS, len(p.probabilities)) for p in predictions), default=0)
    width, height = TILE + MARGIN, TILE + LINE * (2 + bars) + MARGIN
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, max(1, rows) * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (image, prediction, name) in enumerate(zip(images, predictions, names, strict=True)):
        x, y = MARGIN + k % columns * width, MARGIN + k // columns * height
        picture = enlarged(image, TILE)
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
        _caption(draw, x, y + TILE, prediction, name)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _caption(draw: ImageDraw, x: int, y: int, prediction: Prediction, name: str) -> None:
    write_line(draw, (x, y), name, GREY, TILE)
    write_line(draw, (x, y + LINE), ", ".join(prediction.labels) or "none", BLACK, TILE)
    ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])[:BARS]
    for i, (label, probability) in enumerate(ranked):
        top = y + LINE * (2 + i)
        draw.rectangle((x, top, x + TILE, top + LINE - 3), fill="#eeeeee")
        colour = "#8fc1e3" if label in prediction.labels else "#cccccc"
        draw.rectangle((x, top, x + round(TILE * probability), top + LINE - 3), fill=colour)
        write_line(draw, (x + 3, top), f"{probability:.0%}  {label}", BLACK, TILE)
