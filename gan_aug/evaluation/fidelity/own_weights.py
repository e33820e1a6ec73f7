"""Extractors of the user's own weights: a published network and a file of its state dict, from torchvision or MONAI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from gan_aug.config.compare import WEIGHTED, CompareConfig, FeaturesName
from gan_aug.errors import ConfigError
from gan_aug.evaluation.classifiers.networks import build
from gan_aug.evaluation.fidelity.features import IMAGENET, Extractor, inception_file
from gan_aug.run.files import file_sha256

SIDE = 224
"""Pixels a side that images are brought to: what these networks are published for."""

WRAPPERS = ("module.", "model.", "net.", "network.", "encoder.", "backbone.")
"""What state dicts of a network inside another one put before its names."""

RESNET_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
DENSENET_PARTS = {"0": "features"}
"""The parts of a network where they were put into a plain sequence, as in RadImageNet's files."""

HEADS = ("fc.", "classifier.", "class_layers.")
"""What comes after the features, in torchvision's ResNet and DenseNet and in MONAI's DenseNet."""

DENSE_LAYER = re.compile(r"(\.denselayer\d+)\.(norm|conv)\.?(\d)\.")
"""A name in torchvision's DenseNet that MONAI's has inside `layers`; files of old have one dot more."""

Tensors = dict[str, torch.Tensor]


def check_weights(compare: CompareConfig, channels: int) -> None:
    """Raise ConfigError where what `compare.features` needs is not on this machine, or not for images of `channels`."""
    if not compare.fidelity:
        return
    if compare.features == "inception":
        inception_file()
    elif compare.features in WEIGHTED:
        own_features(compare, channels, torch.device("cpu"))


def weights_identity(compare: CompareConfig) -> str | None:
    """The SHA-256 of the file of weights that `compare.features` asks for; None where it asks for none.

    Raises ConfigError where it asks for one and there is none.
    """
    return file_sha256(_file(compare)) if compare.features in WEIGHTED else None


def own_features(compare: CompareConfig, channels: int, device: torch.device) -> Extractor:
    """What `compare.features` computes before its last layer with the weights in `compare.weights`.

    Images of `channels` are brought to 224x224 px and to the values that the weights were trained on. Raises
    ConfigError where the file is absent, is no state dict, or is not of this network.
    """
    path = _file(compare)
    tensors = _renamed(_read(path), DENSENET_PARTS if compare.features == "densenet121" else RESNET_PARTS)
    model, seen = _loaded(compare.features, tensors, path)
    if channels not in (1, seen):
        raise ConfigError(
            f"compare.weights {path.name}: this network sees {seen} channel and the images have {channels}: choose "
            "weights of a network that sees colours"
        )
    model.eval().to(device)
    scale, shift = (value.to(device) for value in _as_trained(compare.weights_range, seen))

    def compute(images: torch.Tensor) -> torch.Tensor:
        images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        images = images.expand(-1, seen, -1, -1) * scale + shift
        features: torch.Tensor = model(images.contiguous(memory_format=torch.channels_last))  # faster on a CPU
        return features

    black_to_white = compare.weights_range
    says = "ImageNet's mean and deviation" if black_to_white == "imagenet" else "{:g} to {:g}".format(*black_to_white)
    name = f"{compare.features} with weights of the user, last pooling"
    filter_ = f"bilinear with antialiasing to {SIDE} px, values by {says}"
    return Extractor(name, filter_, False, file_sha256(path), compute)


def _file(compare: CompareConfig) -> Path:
    if compare.weights is None:
        raise ConfigError(
            f"compare.features is {compare.features} and no weights are named: give their file in compare.weights, or "
            "set compare.features to classifier or random"
        )
    path = compare.weights.expanduser()
    if not path.is_file():
        raise ConfigError(
            f"compare.weights: there is no file {path}: name the network's state dict (.pth, .safetensors)"
        )
    return path


def _read(path: Path) -> Tensors:
    """The tensors of a state dict, also where a checkpoint holds it among other things."""
    fault = ConfigError(
        f"compare.weights: {path.name} is no state dict of tensors (.pth, .pt or .safetensors): save the model's "
        "state_dict() alone, without the model"
    )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - published so; tensors alone
    except OSError as error:
        raise ConfigError(f"compare.weights: {path.name} cannot be read ({error.strerror}): check it") from error
    except Exception as error:
        raise fault from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise fault
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise fault
    return tensors


def _renamed(tensors: Tensors, parts: Mapping[str, str]) -> Tensors:
    """The same tensors by the names of our networks, without the last layer's; `parts` names those with numbers."""
    while wrapper := _wrapper(tensors):
        tensors = {name.removeprefix(wrapper): value for name, value in tensors.items()}
    named = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        inside = f"{parts[first]}.{rest}" if first in parts else name
        named[DENSE_LAYER.sub(r"\1.layers.\2\3.", inside)] = value
    return {name: value for name, value in named.items() if not name.startswith(HEADS)}


def _wrapper(names: Iterable[str]) -> str | None:
    """What stands before all names but the last layer's, of which there are others."""
    inner = [name for name in names if not name.startswith(HEADS)]
    return next((wrapper for wrapper in WRAPPERS if inner and all(name.startswith(wrapper) for name in inner)), None)


def _loaded(name: FeaturesName, tensors: Tensors, path: Path) -> tuple[nn.Module, int]:
    """The network with these weights and without its last layer, and the channels it sees."""
    first = tensors.get("features.conv0.weight" if name == "densenet121" else "conv1.weight")
    if first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
        raise ConfigError(f"compare.weights: {path.name} holds no {name} for images: name the file of that network")
    channels = int(first.shape[1])
    model = _network(name, channels)
    try:
        # Counters of batches are no part of older files, and nothing that is computed depends on them.
        lacking = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise ConfigError(
            f"compare.weights: {path.name} holds another network than {name}: name its own file"
        ) from error
    lacks = [key for key in lacking.missing_keys if not key.endswith("num_batches_tracked")]
    if odd := [*lacks, *lacking.unexpected_keys]:
        raise ConfigError(
            f"compare.weights: {path.name} holds another network than {name}, by {odd[0][:80]!r} and {len(odd) - 1} "
            "more: name its own file"
        )
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise ConfigError(f"compare.weights: {path.name} holds weights that are not finite: name another file")
    return model, channels


def _network(name: FeaturesName, channels: int) -> nn.Module:
    """The network without its last layer: `(B, channels, 224, 224)` to `(B, D)`."""
    with torch.random.fork_rng(devices=[]):
        if name == "densenet121":
            dense = build("densenet121", (channels, SIDE, SIDE), 2)
            dense.class_layers.out = nn.Identity()  # type: ignore[union-attr]
            return dense
        from torchvision.models import resnet18, resnet50

        model: nn.Module = (resnet18 if name == "resnet18" else resnet50)(weights=None)
        if channels != 3:
            model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        model.fc = nn.Identity()
        return model


def _as_trained(values: tuple[float, float] | str, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Factor and summand, each `(1, C, 1, 1)`, that take [-1, 1] to the values of training."""
    if isinstance(values, str):
        mean, deviation = (torch.tensor(part)[None, :, None, None] for part in IMAGENET)
        if channels == 1:
            mean, deviation = (part.mean(dim=1, keepdim=True) for part in (mean, deviation))
        return 0.5 / deviation, (0.5 - mean) / deviation
    low, high = values
    return torch.full((1, 1, 1, 1), (high - low) / 2), torch.full((1, 1, 1, 1), (high + low) / 2)
