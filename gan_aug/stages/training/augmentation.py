"""How a training augments the images that both losses see: what was asked for, or what suits their number."""

from __future__ import annotations

from typing import Any

from gan_aug import config as configs
from gan_aug.config.gan import Augmentation
from gan_aug.config.presets import Adaptive, preset_for
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError
from gan_aug.gan.adaptive import AdaptiveSettings
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir

ALL: tuple[Augmentation, ...] = ("translation", "affine", "brightness", "contrast", "cutout")
"""What is adapted. Where mirroring is harmless, it comes first."""

TARGET = 0.6
"""p rises while D's overfitting r_v is above it."""

RISE = 4
"""In a quarter of the training p can go from 0 to 1."""


def default_augment(manifest: Manifest) -> Adaptive | tuple[()]:
    """The value of gan.augment for this training split, if none was asked for.

    Without validation images there is nothing to adapt by.
    """
    return preset_for(len(manifest.indices("train"))).augment if len(manifest.indices("validation")) else ()


def check_augment(wanted: tuple[Augmentation, ...] | Adaptive | None, manifest: Manifest) -> None:
    """Raise ConfigError if these images cannot be augmented as asked for."""
    if wanted == "adaptive" and not len(manifest.indices("validation")):
        raise ConfigError(
            f"gan.augment: adaptive needs validation images, and {manifest.name} has none: set data.validation, or "
            "list the augmentations"
        )
    if wanted not in ("adaptive", None) and "flip" in wanted and "horizontal" not in manifest.flips:
        raise ConfigError(
            f"gan.augment: flip mirrors left and right, and nothing says that this leaves the labels of "
            f"{manifest.name} true: leave it out, or set data.flips to [horizontal]"
        )


def settled_training(run: RunDir, request: TrainRequest, manifest: Manifest) -> TrainRequest:
    """The request with an augmentation and a number of scores: its own, else those of the GAN in the folder.

    Else it gets what suits the images, and the length of the training.

    Args:
        run: The run folder, or the part of it that the GAN has.
        request: What is asked for.
        manifest: The images to train on.
    """
    path = run.train / layout.REQUEST
    is_open = request.gan.augment is None or request.train.score_every is None
    if is_open and any(run.checkpoints.glob(layout.EACH_CHECKPOINT)) and path.exists():
        request = TrainRequest.model_validate(configs.as_before(request.to_json(), read_json(path)))
    gan, train = request.gan, request.train.model_copy(update={"score_every": request.train.scored_every})
    if gan.augment is None:
        gan = gan.model_copy(update={"augment": default_augment(manifest)})
    return request.model_copy(update={"gan": gan, "train": train})


def augment_in_words(wanted: tuple[Augmentation, ...] | Adaptive | None, manifest: Manifest) -> str:
    """What a training of these images does about their number, as the beginning of a sentence."""
    images = f"{len(manifest.indices('train')):,} training images"
    if wanted == "adaptive":
        return f"{images}: the GAN's losses see augmented ones, as strongly as its discriminator overfits"
    if wanted:
        return f"{images}: the GAN's losses see augmented ones ({', '.join(wanted)})"
    return f"{images}: the GAN's losses see them as they are"


def augmentation(request: TrainRequest, manifest: Manifest) -> dict[str, Any]:
    """The fields `augment` and `adaptive` of the trainer's settings; raises ConfigError as `check_augment`."""
    wanted = request.gan.augment
    check_augment(wanted, manifest)
    if wanted is None:
        wanted = default_augment(manifest)
    if wanted != "adaptive":
        return {"augment": wanted}
    flip: tuple[Augmentation, ...] = ("flip",) if "horizontal" in manifest.flips else ()
    rise = max(1, request.train.images // RISE)
    return {"augment": (*flip, *ALL), "adaptive": AdaptiveSettings(TARGET, rise)}
