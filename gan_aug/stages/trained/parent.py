"""The GAN that a training starts from, `train.start_from`: found, checked, and copied into the run.

The copy in `train/parent/` keeps the run whole if the other one goes on, moves or is removed. Beside it, `seen.json`
says by keyed hashes which images that GAN had seen, so that it can be shown at any time that none of them is held out.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from gan_aug.config.gan import TrainConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.seen import SeenBefore, seen_key
from gan_aug.errors import CheckpointError, ManifestError
from gan_aug.evaluation.leakage import check_parent_images
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.state import GENERATOR, RECORD, TRAINING, Checkpoint, Parent, newest_checkpoint, read_checkpoint
from gan_aug.gan.transfer import check_parent, images_before
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
    """The GAN that `train.start_from` names, its images compared with these; None if the training starts anew.

    Args:
        request: The request of the training.
        networks: The networks that are to be trained.
        manifest: The data set.
        gan: The number of the GAN in its run. If the run that is named has several GANs, GAN i starts from GAN i modulo
            their number.

    Returns:
        The checkpoint that is the GAN of the run that is named.

    Raises:
        CheckpointError: There is none, its networks are of another kind, or nothing there says what it has seen.
        LeakageError: It, or a GAN that it started from itself, saw a validation or test image of this data set.
    """
    if request.train.start_from is None:
        return None
    checkpoint = _trained(request.train.start_from, gan)
    check_parent(checkpoint, networks)
    _seen_by(checkpoint, request.train.start_from, gan, manifest)
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
        if parent is None or path is None:
            return
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _seen_by(parent, path, gan, manifest).save(temporary / layout.SEEN)
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


def record_of(run: RunDir, parent: Checkpoint, manifest: Manifest) -> Parent:
    """What the checkpoints of a run's training record of the GAN that it started from.

    Args:
        run: The run folder.
        parent: The copy of that GAN in it.
        manifest: The data set.

    Returns:
        Its id, and how much it had seen; the images themselves by one sum over all of their keyed hashes.

    Raises:
        CheckpointError: The keyed hashes are not there.
    """
    seen = SeenBefore.load(run.train / layout.PARENT / layout.SEEN)
    if seen is None and not parent.trained_on:
        raise CheckpointError(
            f"{run.train / layout.PARENT / layout.SEEN} is gone: restore it, or start the training anew"
        )
    seen = seen or SeenBefore.of(_listed(parent), manifest, None, b"")  # the copy is of a version that lists images
    own = {study.content for study in manifest.studies if study.split == "train"}
    elsewhere = len(seen.hashes) - len(seen.among(manifest) & own)
    return Parent(
        parent.id, images_before(parent), trained_images=len(seen.hashes), elsewhere=elsewhere, seen=seen.sha256
    )


def _seen_by(checkpoint: Checkpoint, folder: Path, gan: int, manifest: Manifest) -> SeenBefore:
    """The images that a GAN of the run in `folder` had seen, compared with the held-out ones of `manifest`.

    Raises CheckpointError if nothing says which they were, and LeakageError if one is held out here.
    """
    if checkpoint.trained_on:
        contents, before, key = _listed(checkpoint), None, b""
    else:
        theirs = _data_of(checkpoint, folder)
        contents = {study.content for study in theirs.studies if study.split == "train"}
        train = folder / layout.gan_folder(gan % gans_in(folder)) / layout.TRAIN
        before = SeenBefore.load(train / layout.PARENT / layout.SEEN) if checkpoint.parent else None
        key = seen_key(study.content for study in theirs.studies)
        if checkpoint.parent and (before is None or before.sha256 != checkpoint.parent.seen):
            raise CheckpointError(
                f"train.start_from: {train / layout.PARENT / layout.SEEN} is not what the GAN was trained with, so "
                "what it had seen before is not known: start from another GAN"
            )
    seen = SeenBefore.of(contents, manifest, before, key)
    check_parent_images(seen.among(manifest), manifest, len(seen.hashes))
    return seen


def _data_of(checkpoint: Checkpoint, folder: Path) -> Manifest:
    """The data set that a GAN of the run in `folder` was trained on."""
    path = folder / layout.DATASET / layout.MANIFEST
    try:
        manifest = Manifest.load(path)
    except ManifestError as error:
        raise CheckpointError(
            f"train.start_from: {path} is needed to compare the images that the GAN saw with those held out here, and "
            f"cannot be read ({error})"
        ) from error
    if manifest.fingerprint != checkpoint.dataset:
        raise CheckpointError(f"train.start_from: {path} is not of the images that the GAN was trained on: start again")
    return manifest


def _listed(checkpoint: Checkpoint) -> set[str]:
    """The content hashes that a record of schemas 1 and 2 lists, with those of its parents."""
    return {*checkpoint.trained_on, *(checkpoint.parent.trained_on if checkpoint.parent else ())}


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
