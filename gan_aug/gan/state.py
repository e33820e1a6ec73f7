"""Checkpoints: what they hold, and how they are written and read.

A checkpoint is a folder of three files, written completely or not at all:

- `generator.safetensors` is the averaged generator, the only part that ever needs to be shared.
- `training.safetensors` is what a resumed training needs in addition.
- `checkpoint.json` holds the SHA-256 of both and says which networks, settings and data they come from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from gan_aug.errors import CheckpointError
from gan_aug.gan.average import calibrated
from gan_aug.gan.networks.base import Discriminator, Generator
from gan_aug.gan.networks.catalogue import NETWORKS, build_discriminator, build_generator
from gan_aug.gan.networks.layers import round_as_first
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.tensors import load_tensors, part_of, training_tensors
from gan_aug.gan.trainer import GanTrainer
from gan_aug.run.files import json_sha256, storage_errors, write_bytes, write_json

SCHEMA = 3
"""Of new checkpoints. The generators of schema 1 are those of version 0.1, whose layers rounded in another order.

The records of schemas 1 and 2 list the content hash of every training image. Whoever has a copy of an image can tell by
such a list whether it was among them, so new records count the images instead.
"""

RECORD = "checkpoint.json"
GENERATOR = "generator.safetensors"
TRAINING = "training.safetensors"
LISTED_UNTIL = 3
"""Records of older schemas list the training images."""

PARENT_COUNTS = ("trained_images", "elsewhere", "seen")
"""The fields of a parent that such records do not have."""

NEWER = {"network": "dcgan"}
"""Fields of `networks` that the first checkpoints did not have, with what they were then."""

NEWER_SETTINGS: dict[str, Any] = {"adaptive": None, "precision": "fp32"}
"""Settings that are recorded only if they have another value than this."""


@dataclass(frozen=True)
class Parent:
    """The GAN that a training started from.

    `checkpoint` is its id. `images` says how many images its training had seen, repeated ones too, and `trained_images`
    how many different ones; both include those of its own parents. `elsewhere` is the number of the different ones that
    are not in this training split. `seen` is the SHA-256 of their keyed hashes, which are kept beside the training.
    `trained_on` holds their content hashes in records of schemas 1 and 2.
    """

    checkpoint: str
    images: int
    trained_on: tuple[str, ...] = ()
    trained_images: int = 0
    elsewhere: int = 0
    seen: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """A trained state on disk.

    `images` counts the training images seen. `dataset` is the manifest's fingerprint, `trained_images` the number of
    different images that the GAN was trained on: all of that manifest's training split. `settings` are those of the
    training, as JSON values. `files` maps file names to their SHA-256. `parent` is the GAN that the training started
    from, None if it started anew. `schema` says how the generator rounds. `trained_on` holds the content hashes of the
    training images in records of schemas 1 and 2.
    """

    path: Path
    images: int
    networks: NetworkSettings
    labels: tuple[str, ...]
    task: str
    dataset: str
    trained_images: int
    settings: dict[str, Any]
    files: dict[str, str]
    parent: Parent | None = None
    schema: int = SCHEMA
    trained_on: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The SHA-256 of all fields except `path`; shards and reports name a checkpoint by it."""
        record = _record(self)
        if self.schema == 1:
            del record["schema"]  # as it always was
        return json_sha256(record)

    @property
    def weights(self) -> Path:
        """The file of the averaged generator."""
        return self.path / GENERATOR


@dataclass(frozen=True)
class TrainingData:
    """Where the training images come from, as recorded in a checkpoint; see Checkpoint."""

    labels: tuple[str, ...]
    task: str
    dataset: str
    trained_images: int
    parent: Parent | None = None


def save_checkpoint(folder: Path, trainer: GanTrainer, data: TrainingData) -> Checkpoint:
    """Write the trainer's state as a new checkpoint.

    Args:
        folder: The folder of all checkpoints; the new one is a folder in it, named by the images seen.
        trainer: What to save.
        data: What it was trained on.

    Returns:
        The checkpoint as written.

    Raises:
        StorageError: The folder cannot be written.
    """
    path = folder / f"{trainer.images:010d}"
    temporary = folder / f".{path.name}.tmp"
    tensors = {GENERATOR: calibrated_average(trainer).state_dict(), TRAINING: training_tensors(trainer)}
    contents = {name: safetensors.torch.save(_contiguous(part)) for name, part in tensors.items()}
    checkpoint = Checkpoint(
        path=path,
        images=trainer.images,
        networks=trainer.generator.settings,
        settings=_settings(trainer),
        files={name: hashlib.sha256(blob).hexdigest() for name, blob in contents.items()},
        **vars(data),
    )
    with storage_errors(path):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            for name, blob in contents.items():
                write_bytes(temporary / name, blob)
            write_json(temporary / RECORD, _record(checkpoint))
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # half a checkpoint must not go on filling a full disk
    return checkpoint


def _settings(trainer: GanTrainer) -> dict[str, Any]:
    """The trainer's settings as JSON values, without newer ones that are as things were: so is the id."""
    settings: dict[str, Any] = json.loads(json.dumps(asdict(trainer.settings)))
    return {key: value for key, value in settings.items() if key not in NEWER_SETTINGS or value != NEWER_SETTINGS[key]}


def _record(checkpoint: Checkpoint) -> dict[str, Any]:
    """All fields of a checkpoint except `path` and the newer ones that are as things were before them: so is the id."""
    record = asdict(checkpoint)
    del record["path"]
    if checkpoint.parent is None:
        del record["parent"]
    listed = checkpoint.schema < LISTED_UNTIL
    for part, fields in ((record, ("trained_images",)), (record.get("parent", {}), PARENT_COUNTS)):
        for field in fields if listed else ("trained_on",):
            part.pop(field, None)
    for field, before in NEWER.items():
        if record["networks"][field] == before:
            del record["networks"][field]
    return record


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in folder `path`; raises CheckpointError if it is absent, incomplete or altered."""
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        if record["schema"] not in range(1, SCHEMA + 1):
            raise CheckpointError(f"{path} is not a checkpoint of schema 1 to {SCHEMA}: train again with this version")
        settings = recorded_networks(record, path)
        tuples: dict[str, Any] = {"labels": tuple(record.pop("labels"))}
        before = record.pop("parent", None)
        if record["schema"] < LISTED_UNTIL:
            tuples["trained_on"] = tuple(record.pop("trained_on"))
            record["trained_images"] = len(tuples["trained_on"])
            if before:
                listed = tuple(before["trained_on"])
                other = len({*listed} - {*tuples["trained_on"]})
                before |= {"trained_on": listed, "trained_images": len(listed), "elsewhere": other}
        if before:
            tuples["parent"] = Parent(**before)
        checkpoint = Checkpoint(path=path, networks=settings, **tuples, **record)
        for name, expected in checkpoint.files.items():
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != expected:
                raise CheckpointError(
                    f"{path / name} was altered or cut short: remove {path} and resume from the checkpoint before it"
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a complete checkpoint ({error}): remove it and resume") from error
    return checkpoint


def recorded_networks(record: dict[str, Any], path: Path) -> NetworkSettings:
    """What a checkpoint's record, from which it is taken out, says of the networks; raises CheckpointError if unknown.

    `path` is where the record comes from.
    """
    networks = record.pop("networks")
    settings = NetworkSettings(**{**networks, "shape": tuple(networks["shape"])})
    if settings.network not in NETWORKS:
        raise CheckpointError(f"{path} holds the network {settings.network}, which this version does not know")
    return settings


def released_record(checkpoint: Checkpoint) -> dict[str, Any]:
    """What leaves of a checkpoint's record: all of it but lists of training images, which old ones have, and its id."""
    record = _record(checkpoint) | {"id": checkpoint.id}
    parent = record.get("parent", {})
    for part in (record, parent):
        if "trained_on" in part:
            part["trained_images"] = len(part.pop("trained_on"))
    if checkpoint.parent:
        parent["elsewhere"] = checkpoint.parent.elsewhere
    return record


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The complete checkpoint in `folder` with the most images, or None."""
    for path in sorted(folder.glob("[0-9]*"), reverse=True):
        try:
            return read_checkpoint(path)
        except CheckpointError:
            continue
    return None


def load_generator(checkpoint: Checkpoint) -> Generator:
    """The averaged generator of `checkpoint`, on the CPU, in evaluation mode and without gradients."""
    generator = build_generator(checkpoint.networks)
    try:
        generator.load_state_dict(read_tensors(checkpoint.weights))
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint.weights} holds the weights of other networks than its record") from error
    generator.to(memory_format=torch.channels_last)
    if checkpoint.schema == 1:
        round_as_first(generator)
    return generator.eval().requires_grad_(False)


def load_discriminator(checkpoint: Checkpoint) -> Discriminator | None:
    """The discriminator of `checkpoint` as `load_generator` gives the generator; None if it is not beside it."""
    if not (checkpoint.path / TRAINING).exists():
        return None
    discriminator = build_discriminator(checkpoint.networks)
    discriminator.load_state_dict(part_of(read_tensors(checkpoint.path / TRAINING), "discriminator"))
    return discriminator.eval().requires_grad_(False)


def restore(trainer: GanTrainer, checkpoint: Checkpoint) -> None:
    """Load `checkpoint` into the trainer; raises CheckpointError if its networks differ from the trainer's."""
    if checkpoint.networks != trainer.generator.settings:
        raise CheckpointError(
            f"{checkpoint.path} holds other networks ({checkpoint.networks}) than asked for: choose another run folder"
        )
    load_tensors(trainer, read_tensors(checkpoint.path / TRAINING), checkpoint.images)
    trainer.before = checkpoint.parent.images if checkpoint.parent else 0


def broadcast_state(trainer: GanTrainer) -> None:
    """Give the trainer the exact state of rank 0's: other ranks may see other files, or round differently."""
    if trainer.ranks.size == 1:
        return
    seen = torch.tensor([trainer.images, trainer.before])
    state = safetensors.torch.save(_contiguous(training_tensors(trainer) | {"seen": seen}))
    tensors = safetensors.torch.load(trainer.ranks.broadcast(state))
    images, trainer.before = tensors.pop("seen").tolist()
    load_tensors(trainer, tensors, images)


def calibrated_average(trainer: GanTrainer) -> Generator:
    """The averaged generator in evaluation mode, its batch norms calibrated with labels of the training images."""
    _, labels = trainer.batches(0, min(trainer.settings.images, 1024))
    return calibrated(trainer.average, labels.to(trainer.device), trainer.settings.seed)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in tensors.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, by name; raises CheckpointError if it cannot be read."""
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as tensors ({error}): remove its folder and resume") from error
