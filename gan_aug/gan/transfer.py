"""Starts a training from the networks of another one: all weights are taken, those of the labels by name."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from gan_aug.errors import CheckpointError
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.state import TRAINING, Checkpoint, read_tensors
from gan_aug.gan.tensors import part_of
from gan_aug.gan.trainer import GanTrainer

NETWORKS = ("generator", "discriminator", "average")

OF_LABELS = ("project.", "modulation.", "projection.")
"""The layers with a column of weights for each label, as their last columns."""

KEYS = {"shape": "data.size and data.channels", "spectral": "gan.regularizer"}
"""The config keys that decide a setting of the networks, if that is not the key of the same name in `gan`."""


def check_parent(parent: Checkpoint, networks: NetworkSettings) -> None:
    """Check that a training of `networks` can start from `parent`; only the labels may differ.

    Raises CheckpointError that names the first setting that differs.
    """
    for field in dataclasses.fields(networks):
        ours, theirs = (getattr(settings, field.name) for settings in (networks, parent.networks))
        if field.name != "classes" and ours != theirs:
            raise CheckpointError(
                f"train.start_from: the networks of {parent.path} have the {field.name} {_shown(theirs)}, and those "
                f"asked for {_shown(ours)}: set {KEYS.get(field.name, f'gan.{field.name}')} as it was there, or start "
                "from another GAN"
            )


def images_before(checkpoint: Checkpoint) -> int:
    """How many images a training that starts from `checkpoint` has behind it, with those of its parents."""
    return checkpoint.images + (checkpoint.parent.images if checkpoint.parent else 0)


def start_from(trainer: GanTrainer, checkpoint: Checkpoint, labels: tuple[str, ...]) -> None:
    """Give the trainer, before its first step, the networks of `checkpoint`.

    The weights of a label are those of the label of the same name. Labels that the checkpoint does not know keep their
    initial weights. The optimisers and the learning rate start anew.

    Args:
        trainer: A new trainer.
        checkpoint: The trained GAN.
        labels: The names of the trainer's labels.

    Raises:
        CheckpointError: The checkpoint's networks are of another kind, or its file cannot be read.
    """
    check_parent(checkpoint, trainer.generator.settings)
    tensors = read_tensors(checkpoint.path / TRAINING)
    known = {name: k for k, name in enumerate(checkpoint.labels)}
    columns = [(k, known[name]) for k, name in enumerate(labels) if name in known]
    for name in NETWORKS:
        network, old = getattr(trainer, name), part_of(tensors, name)
        new = network.state_dict()
        if labels != checkpoint.labels:
            mine = {key: value for key, value in new.items() if any(layer in key for layer in OF_LABELS)}
            old |= {key: _joined(old[key], value, len(labels), columns) for key, value in mine.items()}
        network.load_state_dict(old)
    trainer.before = images_before(checkpoint)


def _joined(old: Tensor, new: Tensor, labels: int, columns: list[tuple[int, int]]) -> Tensor:
    """The weights `new` of a layer with the columns of `old` that do not belong to a label, or belong to the same one.

    Args:
        old: `(M, S + K_old)`, where S columns belong to no label.
        new: `(M, S + K)`; or a vector of spectral norm's power iteration, which is kept as it is.
        labels: K.
        columns: The numbers of each shared label, (new, old).
    """
    if new.ndim == 1:
        return new
    result, shared = new.clone(), new.shape[1] - labels
    result[:, :shared] = old[:, :shared]
    for mine, theirs in columns:
        result[:, shared + mine] = old[:, shared + theirs]
    return result


def _shown(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
