"""Verifies the inputs of a comparison: images, checkpoints and synthetic shards, each read and hashed again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.hashed_images import HashedImages
from gan_aug.data.synthetic.seen import SeenBefore
from gan_aug.data.synthetic.shards import UNKNOWN, SyntheticManifest, SyntheticShard
from gan_aug.errors import CheckpointError, DataError, LeakageError, ManifestError, StorageError
from gan_aug.evaluation.cells.drawn import held_out_contents
from gan_aug.evaluation.leakage import check_parent_images, check_synthetic_set, check_trained_on, check_whole_split
from gan_aug.gan.state import GENERATOR, RECORD, TRAINING, Checkpoint, read_checkpoint
from gan_aug.gan.transfer import images_before
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.run.events import UnitProgress
from gan_aug.run.files import read_json
from gan_aug.run.stores import MissingObject, Place, below, open_store
from gan_aug.stages.external import SOURCE
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link, broken_link, some_of
from gan_aug.verification.scores import check_scores

UNSEEN = "none of them, nor any of their patients, in validation or test"
UNSEEN_BEFORE = "none of them in validation or test"
"""Of a GAN that another one started from: patients of other data sets cannot be compared with those of this one."""


def load_dataset(storage: RunStorage) -> tuple[Manifest | None, Link, Place]:
    """The data set's manifest (None if it is not whole), its link, and the place from which it was read."""
    name, folder = f"{layout.DATASET}/{layout.MANIFEST}", storage.folder / layout.DATASET
    place: Place = folder if (folder / layout.MANIFEST).exists() or storage.dataset is None else storage.dataset
    if not _exists(place, layout.MANIFEST):
        return None, Link(name, "missing", "what every other link rests on is not there", ManifestError), place
    try:
        manifest = Manifest.load(below(place, layout.MANIFEST))
        check_splits(manifest)
    except DataError as error:  # a store that does not answer is not a broken link
        return None, broken_link(name, error), place
    return manifest, Link(name, "ok", f"{len(manifest.studies):,} studies, fingerprint {manifest.fingerprint}"), place


def check_splits(manifest: Manifest) -> None:
    """Raise LeakageError if an image, or a patient, is in two splits."""
    seen: dict[tuple[str, str], str] = {}
    for row, study in enumerate(manifest.studies):
        for what, identity in (("image", study.content), ("patient", study.patient)):
            other = seen.setdefault((what, identity), study.split) if identity else study.split
            if other != study.split:
                raise LeakageError(f"the {what} of study {row} is in the splits {other} and {study.split}")


def check_images(storage: RunStorage, manifest: Manifest, place: Place, progress: UnitProgress) -> Link:
    """The link of the images: each is hashed again and compared with the manifest.

    Args:
        storage: The run's files.
        manifest: The data set.
        place: Where the manifest was read, and the images are looked for first.
        progress: Is told how many images are read.

    Returns:
        The link.
    """
    name, total = f"{layout.DATASET}/{layout.IMAGES}", len(manifest.studies)
    if storage.dataset and not _exists(place, layout.IMAGES):
        place = storage.dataset
    images = HashedImages(place, layout.IMAGES, manifest.shape)
    altered = []
    try:
        for row, content in enumerate(images):
            if row >= total or content != manifest.studies[row].content:
                altered.append(row)
            _report_progress(progress, row + 1, total)
    except MissingObject:
        return Link(name, "missing", f"the {total:,} images of the manifest are not there", ManifestError)
    except ManifestError as error:
        return broken_link(name, error)
    if images.count != total:
        return Link(name, "ALTERED", f"it holds {images.count:,} images, the manifest {total:,}", ManifestError)
    if altered:
        says = f"{len(altered):,} of {total:,} images are not what the manifest says: {some_of(altered)}"
        return Link(name, "ALTERED", says, ManifestError)
    return Link(name, "ok", f"{total:,} images, each with the hash that the manifest gives")


def check_checkpoints(storage: RunStorage, manifest: Manifest) -> tuple[list[Link], dict[str, Checkpoint]]:
    """A link for each checkpoint in the run folder, or in the store if the folder has none; the whole ones by id."""
    links, whole = [], {}
    for folder in _checkpoint_folders(storage):
        name = f"{layout.TRAIN}/{layout.CHECKPOINTS}/{folder.name}"
        try:
            path = folder if folder.exists() else local_copy(folder, storage.checkpoint(folder.name), RECORD)
            absent = [file for file in (RECORD, GENERATOR, TRAINING) if not (path / file).exists()]
            if absent:
                links.append(Link(name, "missing", f"{', '.join(absent)} is not there", CheckpointError))
                continue
            checkpoint = read_checkpoint(path)
            _check_checkpoint(checkpoint, folder.name, manifest)
        except (CheckpointError, DataError, StorageError) as error:  # StorageError: it is not whole in the store
            links.append(broken_link(name, error))
            continue
        whole[checkpoint.id] = checkpoint
        seen, split = checkpoint.trained_images, len(manifest.indices("train"))
        says = f"id {checkpoint.id}, trained on {seen:,} images of the training split ({split:,}), {UNSEEN}"
        if parent := checkpoint.parent:
            says += (
                f"; it started from {parent.checkpoint}, which saw {parent.trained_images:,} images, {UNSEEN_BEFORE}"
            )
        links.append(Link(name, "ok", says) if seen else _origin_unknown(name, "it"))
    links += check_scores(storage, manifest, {checkpoint.images for checkpoint in whole.values()})
    links += _check_parent(storage.folder / layout.TRAIN / layout.PARENT, whole.values(), manifest)
    return links, whole


def _check_parent(folder: Path, checkpoints: Collection[Checkpoint], manifest: Manifest) -> list[Link]:
    """The links of the kept copy of the GAN that the training started from, and of the list of what it had seen.

    Only an interrupted training needs the copy, so its absence breaks nothing. Without the list it cannot be shown
    again that nothing in it is held out.
    """
    name, started = f"{layout.TRAIN}/{layout.PARENT}", {one.parent for one in checkpoints if one.parent}
    links = []
    if folder.exists() and checkpoints:
        try:
            copy = read_checkpoint(folder)
        except CheckpointError as error:
            links.append(broken_link(name, error))
        else:
            if {(one.checkpoint, one.images) for one in started} != {(copy.id, images_before(copy))}:
                says = "it is not the GAN that the checkpoint says the training started from"
                links.append(Link(name, "ALTERED", says, CheckpointError))
    sums = sorted({one.seen for one in started if one.seen})
    return links + [_check_seen(f"{name}/{layout.SEEN}", folder / layout.SEEN, expected, manifest) for expected in sums]


def _check_seen(name: str, path: Path, expected: str, manifest: Manifest) -> Link:
    """The link of the keyed hashes of what the GAN had seen that a training started from."""
    try:
        seen = SeenBefore.load(path)
        if seen is None:
            says = "which images the GAN that it started from saw is not there; they were compared at the start"
            return Link(name, "skipped", says)
        if seen.sha256 != expected:
            return Link(name, "ALTERED", "it is not the list that the checkpoint names", CheckpointError)
        check_parent_images(seen.among(manifest), manifest, len(seen.hashes))
    except DataError as error:
        return broken_link(name, error)
    return Link(name, "ok", f"{len(seen.hashes):,} images by keyed hashes, {UNSEEN_BEFORE}")


def check_synthetic(
    storage: RunStorage, manifest: Manifest, checkpoints: Mapping[str, Checkpoint], progress: UnitProgress
) -> tuple[list[Link], SyntheticManifest | None]:
    """The links of the synthetic set: its manifest, then its shards.

    Args:
        storage: The run's files.
        manifest: The data set.
        checkpoints: The whole checkpoints, by id.
        progress: Is told how many synthetic images are read.

    Returns:
        The links, and the manifest of the set if it is whole.
    """
    name, place = f"{layout.SYNTHETIC}/{layout.MANIFEST}", storage.synthetic
    if not _exists(place, layout.MANIFEST):
        return [Link(name, "missing", "what the shards belong to is not there", ManifestError)], None
    try:
        synthetic = SyntheticManifest.load(below(place, layout.MANIFEST))
        copy = storage.folder / layout.SYNTHETIC / layout.MANIFEST
        if copy.exists() and SyntheticManifest.load(copy) != synthetic:
            raise ManifestError(f"{copy} is of another set than {below(place, layout.MANIFEST)}")
        link = _check_origin(name, synthetic, manifest, checkpoints, brought=_was_brought(storage))
    except DataError as error:
        return [broken_link(name, error)], None
    held_out = set(held_out_contents(manifest))
    total, done, shards = len(synthetic.image_labels), 0, []
    for shard in synthetic.shards:
        shards.append(_check_shard(place, shard, synthetic, held_out))
        done += shard.count
        progress("synthetic images", done, total)
    if sum(shard.count for shard in synthetic.shards) != total:
        says = f"its shards hold {done:,} images, its labels are of {total:,}"
        link = Link(name, "ALTERED", says, ManifestError)
    broken = [shard for shard in shards if shard.is_broken]
    says = f"{total:,} images in {len(shards)} shards with their sums, none of them a validation or test image"
    return [link, *(broken or [Link(f"{layout.SYNTHETIC}/{layout.SHARD}*", "ok", says)])], synthetic


def _check_origin(
    name: str,
    synthetic: SyntheticManifest,
    manifest: Manifest,
    checkpoints: Mapping[str, Checkpoint],
    *,
    brought: bool,
) -> Link:
    """The link of a synthetic manifest; raises LeakageError or DataError if it must not be used with this data."""
    check_synthetic_set(synthetic, manifest)
    if brought and synthetic.is_traced and synthetic.checkpoint not in checkpoints:
        says = (
            f"fingerprint {synthetic.fingerprint}, a further set of another run's checkpoint {synthetic.checkpoint}; "
            f"by what it says, its generator saw {synthetic.seen:,} images, all of the training split"
        )
        return Link(name, "ok", says)
    if synthetic.dataset != manifest.fingerprint:
        says = f"it was made for the data {synthetic.dataset}, not for those of this run ({manifest.fingerprint})"
        return Link(name, "ALTERED", says, ManifestError)
    if synthetic.checkpoint == UNKNOWN:
        return _origin_unknown(name, f"fingerprint {synthetic.fingerprint}: made elsewhere, and")
    maker = checkpoints.get(synthetic.checkpoint)
    if maker is None:
        says = f"it names the checkpoint {synthetic.checkpoint}, and no whole one of that id is in the run"
        return Link(name, "missing", says, CheckpointError)
    if not _same_training(maker, synthetic):
        says = "it says its generator was trained on other images than the checkpoint does"
        return Link(name, "ALTERED", says, ManifestError)
    if not synthetic.is_traced:
        return _origin_unknown(name, f"fingerprint {synthetic.fingerprint}:")
    says = f"fingerprint {synthetic.fingerprint}, made by {maker.path.name} from seed {synthetic.seed}"
    return Link(name, "ok", says)


def _same_training(maker: Checkpoint, synthetic: SyntheticManifest) -> bool:
    """Whether a set says of its generator's training what the checkpoint says; older sets list the images."""
    parent = maker.parent
    if synthetic.trained_images or not synthetic.trained_on:
        before = (parent.trained_images, parent.elsewhere) if parent else (0, 0)
        said = synthetic.trained_images, synthetic.parent_images, synthetic.parent_elsewhere
        return (maker.dataset, maker.trained_images, *before) == (synthetic.dataset, *said)
    listed = parent.trained_on if parent else ()
    return (maker.trained_on, listed) == (synthetic.trained_on, synthetic.parent_trained_on)


def _was_brought(storage: RunStorage) -> bool:
    """Whether the synthetic set was made in another place and brought into the run."""
    path = storage.folder / layout.SYNTHETIC / layout.REQUEST
    return path.exists() and SOURCE in read_json(path)


def _check_shard(place: Place, shard: SyntheticShard, synthetic: SyntheticManifest, held_out: set[str]) -> Link:
    name, images = f"{layout.SYNTHETIC}/{shard.file}", HashedImages(place, shard.file, synthetic.shape)
    try:
        copies = sum(content in held_out for content in images)
    except MissingObject:
        return Link(name, "missing", f"{shard.count:,} images are not there", ManifestError)
    except ManifestError as error:
        return broken_link(name, error)
    if (images.sha256, images.count) != (shard.sha256, shard.count):
        return Link(name, "ALTERED", "its sum is not the one in the synthetic manifest", ManifestError)
    if copies:
        return Link(name, "LEAKED", f"{copies} of its {shard.count:,} images are validation or test images")
    return Link(name, "ok", f"{shard.count:,} images")


def _check_checkpoint(checkpoint: Checkpoint, name: str, manifest: Manifest) -> None:
    """Raise CheckpointError if it belongs elsewhere, LeakageError if it was trained on images it must not see."""
    if int(name) != checkpoint.images:
        raise CheckpointError(f"it says that it has seen {checkpoint.images:,} images, its folder's name {int(name):,}")
    if checkpoint.dataset != manifest.fingerprint:
        raise CheckpointError(f"it was made for the data {checkpoint.dataset}, not for {manifest.fingerprint}")
    theirs = (checkpoint.labels, checkpoint.task, checkpoint.networks.shape)
    if theirs != (manifest.labels, manifest.task, manifest.shape):
        raise CheckpointError("its labels, task or image shape are not the data set's")
    if set(checkpoint.files) != {GENERATOR, TRAINING}:
        raise CheckpointError(f"it gives sums for {', '.join(checkpoint.files) or 'no file'} alone")
    if checkpoint.trained_images and not checkpoint.trained_on:
        check_whole_split(checkpoint.dataset, checkpoint.trained_images, manifest)
    check_trained_on(set(checkpoint.trained_on), manifest)
    check_parent_images(checkpoint.parent.trained_on if checkpoint.parent else (), manifest)


def _checkpoint_folders(storage: RunStorage) -> Iterator[Path]:
    folder = storage.folder / layout.TRAIN / layout.CHECKPOINTS
    names = {path.name for path in folder.glob("[0-9]*") if path.name.isdigit()}
    for name in sorted(names or set(storage.checkpoints())):
        yield folder / name


def _origin_unknown(name: str, what: str) -> Link:
    return Link(name, "unknown", f"{what} nothing says which images its generator was trained on")


def _exists(place: Place, name: str) -> bool:
    try:
        open_store(place).state(name)
    except MissingObject:
        return False
    return True


def _report_progress(progress: UnitProgress, done: int, total: int) -> None:
    if done % max(1, total // 100) == 0 or done == total:
        progress("images", done, total)
