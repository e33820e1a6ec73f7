"""The downstream classifiers: built by name for any image shape, scored in batches, stored as safetensors and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from gan_aug.config.compare import ClassifierName
from gan_aug.data.manifest import Task
from gan_aug.errors import CheckpointError, DataError
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, write_bytes, write_json

SCHEMA = 1
SCORE_BATCH = 128
SMALLEST_SIDE = 8  # px; three halvings leave one pixel
STRIDED_FROM = 128  # px; from this side on our first convolution has stride 2, else a step takes a second on a CPU
DENSENET_SIDE = 32  # px; DenseNet-121 halves the image five times
STEM_FROM = 64  # px; for smaller images ResNet's stem, with stride 4, would leave too few pixels


@dataclass(frozen=True)
class ClassifierCard:
    """The description of a stored classifier: what is needed to build it again and to name its outputs."""

    name: ClassifierName
    shape: tuple[int, int, int]
    labels: tuple[str, ...]
    task: Task
    positive: str | None


def build(name: ClassifierName, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build a new classifier; it maps images `(B, C, H, W) float32` in [-1, 1] to logits `(B, classes)`.

    Initial weights come from torch's global random generator; nothing is downloaded. resnet18: He et al., arXiv
    1512.03385; densenet121: Huang et al., arXiv 1608.06993.

    Args:
        name: Which network.
        shape: Of the images, `(C, H, W)`.
        classes: The number of labels.

    Returns:
        The network, on the CPU.

    Raises:
        DataError: There are fewer than two classes, or a side is below 8 px.
    """
    channels, height, width = shape
    if classes < 2:
        raise DataError(f"the data set has {classes} label, but a comparison needs two classes: add a second one")
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"images of {height}x{width} px are too small for a classifier: set data.size to {SMALLEST_SIDE} or more"
        )
    match name:
        case "cnn":
            return _convolutional(shape, classes, (16, 32, 64), hidden=128)
        case "small-cnn":
            return _convolutional(shape, classes, (16, 32), hidden=64)
        case "softmax":
            return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))
        case "mlp":
            return _perceptron(channels * height * width, classes)
        case "resnet18":
            return _resnet18(shape, classes)
        case "densenet121":
            return _densenet121(shape, classes)
    raise DataError(f"no classifier is called {name!r}: choose one of {', '.join(get_args(ClassifierName))}")


def to_input(images: npt.NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Convert images `(B, C, H, W) uint8` to float32 in [-1, 1] on `device`, with channels last in memory.

    This memory layout makes convolutions on a CPU about twice as fast.
    """
    batch = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device)
    return batch.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1.0)


def predict_logits(
    model: nn.Module, images: npt.NDArray[np.uint8], batch: int = SCORE_BATCH
) -> npt.NDArray[np.float32]:
    """The logits of many images; the model is set to evaluation mode and back.

    Args:
        model: A classifier.
        images: `(N, C, H, W) uint8`; they may be a memory map, because only one batch is read at a time.
        batch: Images per pass.

    Returns:
        `(N, K) float32`.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        parts = [model(to_input(images[i : i + batch], device)).cpu() for i in range(0, len(images), batch)]
    model.train(was_training)
    logits: npt.NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


def to_probabilities(logits: npt.NDArray[np.float32], task: Task) -> npt.NDArray[np.float64]:
    """Convert logits `(N, K)` to probabilities `(N, K) float64`: softmax for multi-class, sigmoid for multi-label."""
    values = torch.from_numpy(logits).double()
    scores = values.softmax(dim=1) if task == "multi-class" else values.sigmoid()
    probabilities: npt.NDArray[np.float64] = scores.numpy()
    return probabilities


def predict_scores(
    model: nn.Module, images: npt.NDArray[np.uint8], task: Task, batch: int = SCORE_BATCH
) -> npt.NDArray[np.float64]:
    """The probabilities of many images.

    Args:
        model: A classifier.
        images: `(N, C, H, W) uint8`.
        task: Multi-class or multi-label.
        batch: Images per pass.

    Returns:
        `(N, K) float64`; for multi-class the sum of each row is 1.
    """
    return to_probabilities(predict_logits(model, images, batch), task)


def save_classifier(folder: Path, model: nn.Module, card: ClassifierCard) -> None:
    """Write a classifier: first its weights, then its card with their SHA-256, which marks it as complete.

    Args:
        folder: Where to.
        model: The classifier.
        card: Its description.

    Raises:
        StorageError: The folder cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_bytes(folder / layout.CLASSIFIER_WEIGHTS, save_tensors(tensors))
    write_json(
        folder / layout.CLASSIFIER,
        {"schema": SCHEMA, **asdict(card), "sha256": file_sha256(folder / layout.CLASSIFIER_WEIGHTS)},
    )


def load_classifier(folder: Path) -> tuple[nn.Module, ClassifierCard]:
    """The classifier stored in `folder`, on the CPU and in evaluation mode, with its card.

    Raises CheckpointError if it is absent, incomplete, altered or of another schema.
    """
    card, sha256 = _read_card(folder / layout.CLASSIFIER)
    try:
        content = (folder / layout.CLASSIFIER_WEIGHTS).read_bytes()
        if file_sha256(folder / layout.CLASSIFIER_WEIGHTS) != sha256:
            raise CheckpointError(
                f"{folder / layout.CLASSIFIER_WEIGHTS} was altered or cut short: run gan-aug compare to train it again"
            )
        with torch.random.fork_rng(devices=[]):
            model = build(card.name, card.shape, len(card.labels))
        model.load_state_dict(load_tensors(content))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"no complete classifier in {folder}: run gan-aug compare to train it again") from error
    return model.to(memory_format=torch.channels_last).eval(), card


def _read_card(path: Path) -> tuple[ClassifierCard, str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("schema") != SCHEMA:
            raise CheckpointError(f"{path} is of another version: run gan-aug compare to train it again")
        sha256 = record.pop("sha256")
        card = ClassifierCard(**{**record, "shape": tuple(record["shape"]), "labels": tuple(record["labels"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"no classifier in {path.parent}: name a cell folder of gan-aug compare") from error
    return card, sha256


def _convolutional(shape: tuple[int, int, int], classes: int, widths: tuple[int, ...], hidden: int) -> nn.Module:
    """A CNN: blocks of convolution, pooling, normalisation, ReLU and dropout, then two dense layers."""
    channels, height, width = shape
    stride = 2 if min(height, width) >= STRIDED_FROM else 1
    height, width = -(-height // stride), -(-width // stride)
    layers: list[nn.Module] = []
    for features in widths:
        # Max pooling commutes with ReLU; placed before it, the following layers have a quarter of the pixels.
        layers += [
            nn.Conv2d(channels, features, 3, stride, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(features),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
        ]
        channels, height, width, stride = features, height // 2, width // 2, 1
    grid = (min(height, 4), min(width, 4))
    layers += [
        nn.AdaptiveAvgPool2d(grid),
        nn.Flatten(),
        nn.Linear(channels * grid[0] * grid[1], hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, classes),
    ]
    return nn.Sequential(*layers)


def _perceptron(inputs: int, classes: int) -> nn.Module:
    hidden = [nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, classes))


def _resnet18(shape: tuple[int, int, int], classes: int) -> nn.Module:
    from torchvision.models import resnet18

    channels, height, width = shape
    model: nn.Module = resnet18(weights=None, num_classes=classes)
    if min(height, width) < STEM_FROM:
        model.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return model


def _densenet121(shape: tuple[int, int, int], classes: int) -> nn.Module:
    from monai.networks.nets.densenet import DenseNet121  # noqa: TID251 - this file is MONAI's door

    channels, height, width = shape
    model: nn.Module = DenseNet121(spatial_dims=2, in_channels=channels, out_channels=classes)
    if min(height, width) >= DENSENET_SIDE:
        return model
    size = (max(height, DENSENET_SIDE), max(width, DENSENET_SIDE))
    return nn.Sequential(nn.Upsample(size, mode="bilinear"), model)
