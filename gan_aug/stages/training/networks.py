"""Which networks a run's GANs have: what the config asks for, else what suits the images' size."""

from __future__ import annotations

from typing import Any

import torch

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.config.gan import GanConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError
from gan_aug.gan.networks.catalogue import (
    NETWORKS,
    build_discriminator,
    build_generator,
    default_network,
    default_penalty,
)
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training.augmentation import default_augment


def settled_gan(request: Config, storage: RunStorage, manifest: Manifest) -> Config:
    """The config with all that it leaves open of the GAN: its own values, else the trained GAN's, else the defaults.

    What is newer than the trained GAN is as it was then.

    Args:
        request: What is asked for.
        storage: The run's files; a training that is only in its store is fetched, to say what it was.
        manifest: The data set.
    """
    path = storage.folder / layout.TRAIN / layout.REQUEST
    if not path.exists():
        storage.pull_training()
    values = configs.dump(request)
    if any((path.parent / layout.CHECKPOINTS).glob(layout.EACH_CHECKPOINT)) and path.exists():
        values = configs.as_before(values, read_json(path))
    if values["gan"]["network"] == "auto":
        values["gan"]["network"] = default_network(manifest.shape[1:])
    name = values["gan"]["network"]
    if values["train"]["batch"] is None:
        values["train"]["batch"] = NETWORKS[name].batch
    if values["gan"]["penalty"] is None:
        values["gan"]["penalty"] = default_penalty(name, manifest.shape[1:], values["train"]["batch"])
    if values["gan"]["augment"] is None:
        values["gan"]["augment"] = default_augment(manifest)
    if values["train"]["score_every"] is None:
        values["train"]["score_every"] = request.train.scored_every
    return configs.parse(values, "the config")


def network_settings(gan: GanConfig, manifest: Manifest) -> NetworkSettings:
    """The networks for this data; raises ConfigError if they do not take images of this size."""
    name = _name(gan, manifest.shape[1:])
    return NetworkSettings(
        shape=manifest.shape,
        classes=len(manifest.labels),
        width=gan.width,
        latent=gan.latent,
        spectral=gan.regularizer_wanted == "spectral",
        network=name,
    )


def batch_of(request: TrainRequest, networks: NetworkSettings) -> int:
    """The images per step in a training of `networks`."""
    return request.train.batch or NETWORKS[networks.network].batch


def penalty_of(request: TrainRequest, networks: NetworkSettings) -> float:
    """The weight of the gradient penalty in a training of `networks`; 0 if it has none."""
    if request.gan.regularizer_wanted != "r1":
        return 0.0
    batch = batch_of(request, networks)
    return request.gan.penalty or default_penalty(networks.network, networks.shape[1:], batch)


def check_size(gan: GanConfig, size: int | tuple[int, int] | None) -> None:
    """Raise ConfigError if the networks do not take images of `data.size`; this is known before any image is read."""
    if size is not None:
        _name(gan, (size, size) if isinstance(size, int) else size)


def networks_said(request: Config, manifest: Manifest) -> dict[str, Any]:
    """The networks of a run's GANs as JSON values.

    Args:
        request: The config.
        manifest: The data set.

    Returns:
        The network's `name`, the weight of its gradient `penalty` (0 if it has none), and the numbers of parameters of
        `generator` and `discriminator`.
    """
    settings = network_settings(request.gan, manifest)
    with torch.random.fork_rng(devices=[]):
        built = {"generator": build_generator(settings), "discriminator": build_discriminator(settings)}
    counts = {name: sum(p.numel() for p in network.parameters()) for name, network in built.items()}
    return {"name": settings.network, "penalty": penalty_of(request.train_request, settings), **counts}


def _name(gan: GanConfig, size: tuple[int, int]) -> NetworkName:
    """The name of the networks for images of `size`; raises ConfigError if they do not take them."""
    name = default_network(size) if gan.network == "auto" else gan.network
    try:
        NETWORKS[name].sizes(size)
    except ValueError as error:
        raise ConfigError(f"data.size: {error}") from error
    return name
