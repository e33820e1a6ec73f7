"""The trainer's settings for a request."""

from __future__ import annotations

from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.trainer import TrainSettings
from gan_aug.stages.training.augmentation import augmentation
from gan_aug.stages.training.networks import batch_of, network_settings, penalty_of


def trainer_settings(request: TrainRequest, manifest: Manifest) -> tuple[NetworkSettings, TrainSettings]:
    """The networks and how they are trained; raises ConfigError if the images do not fit them or the augmentation."""
    networks = network_settings(request.gan, manifest)
    return networks, TrainSettings(
        images=request.train.images,
        batch=batch_of(request, networks),
        loss=request.gan.loss,
        lr=request.train.lr,
        betas=request.train.betas,
        decay=request.train.decay,
        penalty=penalty_of(request, networks),
        penalty_every=request.gan.penalty_every,
        average=request.gan.average,
        seed=request.seed,
        precision=request.train.precision,
        **augmentation(request, manifest),
    )
