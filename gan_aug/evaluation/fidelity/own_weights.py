"""Feature extractors with the user's own weights: a known network and a file with its state dict."""

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
"""The side in pixels to which images are resized: the size for which these networks are published."""

WRAPPERS = ("module.", "model.", "net.", "network.", "encoder.", "backbone.")
"""Prefixes of the names in a state dict, if the network was a part of another one."""

RESNET_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
DENSENET_PARTS = {"0": "features"}
"""The names of parts by their numbers, if they were put into a `nn.Sequential`, as in RadImageNet's files."""

HEADS = ("fc.", "classifier.", "class_layers.")
"""Names of the layers after the features, in torchvision's ResNet and DenseNet and in MONAI's DenseNet."""

DENSE_LAYER = re.compile(r"(\.denselayer\d+)\.(norm|conv)\.?(\d)\.")
"""Names in torchvision's DenseNet that are inside `layers` in MONAI's; old files have one more dot."""

Tensors = dict[str, torch.Tensor]


def check_weights(compare: CompareConfig, channels: int) -> None:
    """Raise ConfigError if the weights for `compare.features` are absent, or do not fit images with `channels`."""
    if not compare.fidelity:
        return
    if compare.features == "inception":
        inception_file()
    elif compare.features in WEIGHTED:
        own_features(compare, channels, torch.device("cpu"))


def weights_sha256(compare: CompareConfig) -> str | None:
    """The SHA-256 of the file of weights that `compare.features` needs; None if it needs none.

    Raises ConfigError if it needs a file and there is none.
    """
    return file_sha256(_file(compare)) if compare.features in WEIGHTED else None


def own_features(compare: CompareConfig, channels: int, device: torch.device) -> Extractor:
    """The network `compare.features` without its last layer, with the weights in `compare.weights`.

    Images are resized to 224x224 pixels, and their values are scaled as in the training of the weights.

    Args:
        compare: The config's section.
        channels: Of the images: 1, or as many as the network takes.
        device: Where it computes.

    Returns:
        The extractor.

    Raises:
        ConfigError: The file is absent, is not a state dict, or belongs to another network.
    """
    path = _file(compare)
    tensors = _renamed(_read(path), DENSENET_PARTS if compare.features == "densenet121" else RESNET_PARTS)
    model, seen = _loaded(compare.features, tensors, path)
    if channels not in (1, seen):
        raise ConfigError(
            f"compare.weights: {path.name} is of a network for {seen} channel, but the images have {channels}: choose "
            "weights of a network for colour images"
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
            f"compare.features is {compare.features}, but no weights are named: set compare.weights to their file, or "
            "set compare.features to classifier or random"
        )
    path = compare.weights.expanduser()
    if not path.is_file():
        raise ConfigError(
            f"compare.weights: there is no file {path}: name the network's state dict (.pth, .safetensors)"
        )
    return path


def _read(path: Path) -> Tensors:
    """The tensors of a state dict, which may be a part of a checkpoint with other content."""
    fault = ConfigError(
        f"compare.weights: {path.name} is not a state dict of tensors (.pth, .pt or .safetensors): save only the "
        "model's state_dict(), not the model"
    )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - the published format
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
    """The same tensors under the names of our networks, without the last layer; `parts` names numbered parts."""
    while wrapper := _wrapper(tensors):
        tensors = {name.removeprefix(wrapper): value for name, value in tensors.items()}
    named = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        inside = f"{parts[first]}.{rest}" if first in parts else name
        named[DENSE_LAYER.sub(r"\1.layers.\2\3.", inside)] = value
    return {name: value for name, value in named.items() if not name.startswith(HEADS)}


def _wrapper(names: Iterable[str]) -> str | None:
    """The prefix in WRAPPERS that all names share, except those of the last layer; None if there is none."""
    inner = [name for name in names if not name.startswith(HEADS)]
    return next((wrapper for wrapper in WRAPPERS if inner and all(name.startswith(wrapper) for name in inner)), None)


def _loaded(name: FeaturesName, tensors: Tensors, path: Path) -> tuple[nn.Module, int]:
    """The network with these weights, without its last layer, and the number of channels that it takes."""
    first = tensors.get("features.conv0.weight" if name == "densenet121" else "conv1.weight")
    if first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
        raise ConfigError(f"compare.weights: {path.name} holds no {name} for images: name the file of that network")
    channels = int(first.shape[1])
    model = _network(name, channels)
    try:
        # Older files have no counters of batches, and no result depends on them.
        lacking = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise ConfigError(
            f"compare.weights: {path.name} holds another network than {name}: name its own file"
        ) from error
    lacks = [key for key in lacking.missing_keys if not key.endswith("num_batches_tracked")]
    if odd := [*lacks, *lacking.unexpected_keys]:
        raise ConfigError(
            f"compare.weights: {path.name} holds another network than {name}: {odd[0][:80]!r} and {len(odd) - 1} more "
            "names do not fit; name its own file"
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
    """Factor and offset, each `(1, C, 1, 1)`, that map [-1, 1] to the values with which the network was trained."""
    if isinstance(values, str):
        mean, deviation = (torch.tensor(part)[None, :, None, None] for part in IMAGENET)
        if channels == 1:
            mean, deviation = (part.mean(dim=1, keepdim=True) for part in (mean, deviation))
        return 0.5 / deviation, (0.5 - mean) / deviation
    low, high = values
    return torch.full((1, 1, 1, 1), (high - low) / 2), torch.full((1, 1, 1, 1), (high + low) / 2)
