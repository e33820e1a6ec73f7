"""Feature extractors, by which images are compared: a classifier of the run, a random network, or Inception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from gan_aug.errors import Cancelled, CheckpointError, ConfigError
from gan_aug.evaluation.classifiers.networks import ClassifierCard, load_classifier, to_input
from gan_aug.evaluation.fidelity.distances import FloatArray
from gan_aug.evaluation.image_checks import RANDOM
from gan_aug.run import layout
from gan_aug.run.files import file_sha256

BATCH = 128
RANDOM_SIDE = 64  # px; larger images are averaged down to this size first
RANDOM_WIDTHS = (32, 64, 64)
RANDOM_PIXELS = 1 << 16  # of so many at a time the maps stay in a core's cache: half the time at 64 px, the same bits
INCEPTION_SIDE = 299
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of each channel, for values in [0, 1], with which torchvision's networks were trained."""


@dataclass(frozen=True)
class Extractor:
    """Computes features of images.

    - `name`: which network and layer it is.
    - `filter`: how images are resized for it.
    - `scaled`: whether its features are divided by a common factor, so that their mean square over the reference is 1.
      Otherwise distances would be in arbitrary units.
    - `weights`: identifies the weights, mostly by a SHA-256.
    - `compute`: maps images `(B, C, H, W) float32` in [-1, 1] to features `(B, D) float32`.

    Name, filter and scaling must be given with every figure that is computed with an extractor.
    """

    name: str
    filter: str
    scaled: bool
    weights: str
    compute: Callable[[torch.Tensor], torch.Tensor]


def classifier_features(cell: Path, device: torch.device) -> Extractor:
    """The input of the last layer of the classifier stored in the folder `cell`; raises CheckpointError without one."""
    model, card = load_classifier(cell)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    model.to(device)

    def compute(images: torch.Tensor) -> torch.Tensor:
        caught: list[torch.Tensor] = []
        handle = last.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            model(images)
        finally:
            handle.remove()
        return caught[0]

    return Extractor(
        f"classifier {card.name}, last hidden layer", "none", True, file_sha256(cell / layout.CLASSIFIER), compute
    )


def has_features(card: ClassifierCard) -> bool:
    """Whether a classifier has a layer before its last one; softmax regression works directly on the pixels."""
    return card.name != "softmax"


def random_features(channels: int, device: torch.device) -> Extractor:
    """A small CNN with fixed random weights, as an unbiased baseline: it was trained on nothing.

    Naeem et al. 2020 (arXiv 2002.09797) use random networks for images that differ much from ImageNet. This one has
    three 3x3 convolutions with He's normal weights and ReLU, halves the image between them, and averages the last
    output on a 2x2 grid: 256 features.
    """
    # numpy's stream is the same in every version and on every machine; torch does not promise this.
    generator = np.random.default_rng(0)
    kernels = []
    for before, after in zip((channels, *RANDOM_WIDTHS[:-1]), RANDOM_WIDTHS, strict=True):
        values = generator.normal(0, np.sqrt(2 / (9 * before)), (after, before, 3, 3))
        kernels.append(torch.from_numpy(values).to(device, torch.float32))

    def seen(images: torch.Tensor) -> torch.Tensor:
        for i, kernel in enumerate(kernels):
            images = F.conv2d(F.avg_pool2d(images, 2) if i else images, kernel, padding=1).relu_()
        return F.adaptive_avg_pool2d(images, 2).flatten(1)

    def compute(images: torch.Tensor) -> torch.Tensor:
        if max(images.shape[2:]) > RANDOM_SIDE:
            images = F.interpolate(images, (RANDOM_SIDE, RANDOM_SIDE), mode="area")
        at_once = max(1, RANDOM_PIXELS // (images.shape[2] * images.shape[3]))
        return torch.cat([seen(images[i : i + at_once]) for i in range(0, len(images), at_once)])

    return Extractor(RANDOM, f"area to {RANDOM_SIDE} px where larger", True, RANDOM, compute)


def inception_file() -> Path:
    """The file of torchvision's Inception weights in torch's hub folder; raises ConfigError if it is absent.

    Nothing is downloaded: everything that an evaluation needs must be there before it starts.
    """
    from torchvision.models import Inception_V3_Weights

    name = Inception_V3_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise ConfigError(
            f"compare.features is inception, but its weights are not on this machine: put torchvision's {name} into "
            f"{path.parent}, or set compare.features to classifier or random"
        )
    return path


def inception_features(device: torch.device) -> Extractor:
    """Torchvision's Inception v3 (ImageNet): the 2,048 numbers before its last layer.

    These are not the weights with which published FIDs were computed, so compare only with figures of this extractor.
    Raises ConfigError if the weights are not on disk, and CheckpointError if they are altered.
    """
    from torchvision.models import inception_v3

    path = inception_file()
    sha256 = file_sha256(path)
    if not sha256.startswith(path.stem.rsplit("-", 1)[-1]):  # torchvision's file names end with its first digits
        raise CheckpointError(f"{path} was altered or cut short: download it again")
    with torch.random.fork_rng(devices=[]):
        model = inception_v3(weights=None, init_weights=False, transform_input=False)
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))  # noqa: TID251 - published so
    model.fc = nn.Identity()
    model.eval().to(device)
    mean, std = (torch.tensor(part, device=device)[None, :, None, None] for part in IMAGENET)

    def compute(images: torch.Tensor) -> torch.Tensor:
        size = (INCEPTION_SIDE, INCEPTION_SIDE)
        images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        features: torch.Tensor = model((images.expand(-1, 3, -1, -1) / 2 + 0.5 - mean) / std)
        return features

    name = "torchvision inception_v3 IMAGENET1K_V1, last pooling"
    return Extractor(name, f"bilinear with antialiasing to {INCEPTION_SIDE} px", False, sha256, compute)


def images_to_features(
    extractor: Extractor,
    images: npt.NDArray[np.uint8],
    device: torch.device,
    batch: int = BATCH,
    cancelled: Callable[[], bool] | None = None,
) -> FloatArray:
    """Compute the features of many images.

    Args:
        extractor: What computes them.
        images: `(N, C, H, W) uint8`.
        device: Where the extractor computes.
        batch: Images per pass.
        cancelled: Asked before each batch whether to stop.

    Returns:
        `(N, D) float64`.

    Raises:
        Cancelled: `cancelled` returned True.
    """
    parts = []
    with torch.inference_mode():
        for i in range(0, len(images), batch):
            if cancelled and cancelled():
                raise Cancelled("stopped on request: the cells finished so far are kept")
            parts.append(extractor.compute(to_input(images[i : i + batch], device)).double().cpu())
    features: FloatArray = torch.cat(parts).numpy()
    return features
