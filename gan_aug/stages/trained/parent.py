"""The GAN that a training starts from, `train.start_from`: found, checked, and copied into the run.

The copy in `train/parent/` keeps the run whole if the other one goes on, moves or is removed.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from gan_aug.config.gan import TrainConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.leakage import check_parent_images
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.state import GENERATOR, RECORD, TRAINING, Checkpoint, newest_checkpoint, read_checkpoint
from gan_aug.gan.transfer import check_parent, parent_of
from gan_aug.run import layout
from gan_aug.run.files import storage_errors
from gan_aug.run.folder import RunDir


def check_start(folder: Path, train: TrainConfig) -> None:
    """Check, before images are read, that a training finds the GAN that it starts from.

    Args:
        folder: The run folder, which may be absent; once it has a copy of that GAN, the original is not needed.
        train: The section that may name it.

    Raises:
        CheckpointError: There is none.
    """
    if train.start_from is not None and not (folder / layout.TRAIN / layout.PARENT).exists():
        _trained(train.start_from)


def find_parent(
    request: TrainRequest, networks: NetworkSettings, manifest: Manifest, gan: int = 0
) -> Checkpoint | None:
    """The GAN that `train.start_from` names; None if the training starts anew.

    Args:
        request: The request of the training.
        networks: The networks that are to be trained.
        manifest: The data set.
        gan: The number of the GAN in its run. If the run that is named has several GANs, GAN i starts from GAN i modulo
            their number.

    Returns:
        The checkpoint that is the GAN of the run that is named.

    Raises:
        CheckpointError: There is none, or its networks are of another kind.
        LeakageError: It, or a GAN that it started from itself, saw a validation or test image of this data set.
    """
    if request.train.start_from is None:
        return None
    checkpoint = _trained(request.train.start_from, gan)
    check_parent(checkpoint, networks)
    check_parent_images(parent_of(checkpoint).trained_on, manifest)
    return checkpoint


def bring_parent(
    run: RunDir, request: TrainRequest, networks: NetworkSettings, manifest: Manifest, gan: int = 0
) -> None:
    """Copy the GAN that the training starts from to `train/parent/`, or remove what is there if it starts anew.

    It is to be called before the first step. If the other run is gone, a copy that is there already is used.

    Args:
        run: The run folder.
        request: The request of the training.
        networks: The networks that are to be trained.
        manifest: The data set.
        gan: As for `find_parent`.

    Raises:
        CheckpointError: As `find_parent`.
        LeakageError: As `find_parent`.
    """
    folder, path = run.train / layout.PARENT, request.train.start_from
    if path is not None and not path.exists() and folder.exists():
        return
    parent = find_parent(request, networks, manifest, gan)
    with suppress(CheckpointError):
        if parent and folder.exists() and read_checkpoint(folder).id == parent.id:
            return
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        if parent is None:
            return
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name in (GENERATOR, TRAINING, RECORD):
            shutil.copyfile(parent.path / name, temporary / name)
        temporary.rename(folder)
    known = [name for name in parent.labels if name in manifest.labels]
    labels = f"with its labels {', '.join(known)}" if known else "with none of its labels"
    run.emit("train", "note", f"starting from the GAN in {path}, which saw {parent.images:,} images, {labels}")


def parent_in(run: RunDir) -> Checkpoint | None:
    """The copy of the GAN that the run's training started from; None if it started anew."""
    folder = run.train / layout.PARENT
    return read_checkpoint(folder) if folder.exists() else None


def gans_in(folder: Path) -> int:
    """How many trained GANs a run folder holds, counted from GAN 0."""
    count = 0
    while newest_checkpoint(folder / layout.gan_folder(count) / layout.TRAIN / layout.CHECKPOINTS):
        count += 1
    return count


def _trained(path: Path, gan: int = 0) -> Checkpoint:
    count = gans_in(path)
    if not count:
        raise CheckpointError(f"train.start_from: {path} holds no trained GAN: name a run folder after `gan-aug train`")
    checkpoint = chosen_checkpoint(path / layout.gan_folder(gan % count) / layout.TRAIN)
    if checkpoint is None:
        raise CheckpointError(f"train.start_from: GAN {gan % count} of {path} is gone: start again")
    return checkpoint
