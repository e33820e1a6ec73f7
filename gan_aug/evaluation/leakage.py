"""The checks that a synthetic set passes before an arm uses it: its generator saw the training split alone."""

from __future__ import annotations

from collections.abc import Collection, Set

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import HELD_OUT, Manifest, content_hash
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest
from gan_aug.errors import DataError, LeakageError


def check_synthetic_set(synthetic: SyntheticManifest, manifest: Manifest) -> None:
    """Check that the arms of a data set may use a synthetic set, by what its manifest says.

    Raises DataError if shapes, tasks or labels differ. Raises LeakageError if the generator was trained on a validation
    or test image, on an image of one of their patients, or on an image that is not in this training split. A GAN that
    it started from may have seen images of other data sets, but none of these validation and test images; that is
    checked when the training starts (`stages.trained.parent`), since a set says only how many they were.
    """
    _check_same_form(synthetic, manifest)
    if synthetic.trained_images:
        check_whole_split(synthetic.dataset, synthetic.trained_images, manifest)
    check_trained_on(set(synthetic.trained_on), manifest)
    check_parent_images(synthetic.parent_trained_on, manifest)


def check_whole_split(dataset: str, images: int, manifest: Manifest) -> None:
    """Check that a generator that saw a whole training split saw the one of this data set, and nothing held out.

    Args:
        dataset: The fingerprint of the data set that it was trained on. It follows from the content, label, split and
            patient of every image, so an equal one means the same training split.
        images: How many different images it was trained on.
        manifest: The data set.

    Raises:
        LeakageError: It is another data set or number, or images or patients of the training split are held out too.
    """
    own = {study.content for study in manifest.studies if study.split == "train"}
    way_out = "train the GAN on this training split (gan-aug train) and generate again"
    if dataset != manifest.fingerprint:
        raise LeakageError(
            f"the generator was trained on {images} images of the data {dataset[:12]}…, which are not these of "
            f"{manifest.name} ({manifest.fingerprint[:12]}…), so nothing shows that none is held out here: {way_out}"
        )
    if images != len(own):
        raise LeakageError(
            f"the generator was trained on {images} different images, and the training split of {manifest.name} holds "
            f"{len(own)}: {way_out}"
        )
    check_trained_on(own, manifest)


def check_trained_on(trained_on: Set[str], manifest: Manifest) -> None:
    """Check that a generator trained on the images with these content hashes saw this training split alone.

    Raises LeakageError if it saw a validation or test image, one of their patients, or an image from elsewhere.
    """
    held_out = [study for study in manifest.studies if study.split in HELD_OUT]
    way_out = "train the GAN on this training split (gan-aug train) and generate again"
    seen = len(trained_on & {study.content for study in held_out})
    if seen:
        raise LeakageError(
            f"{seen} of the {len(trained_on)} images the generator was trained on are validation or test images of "
            f"{manifest.name}: {way_out}"
        )
    train = [study for study in manifest.studies if study.split == "train"]
    outside = len(trained_on - {study.content for study in train})
    if outside:
        raise LeakageError(
            f"{outside} of the {len(trained_on)} images the generator was trained on are not in the training split of "
            f"{manifest.name}: {way_out}"
        )
    patients = {study.patient for study in train if study.content in trained_on}
    shared = patients & {study.patient for study in held_out} - {None}
    if shared:
        raise LeakageError(
            f"patients the generator saw are also in the validation or test split of {manifest.name} "
            f"({len(shared)} of them): import the data again so that each is in one split, then {way_out}"
        )


def check_parent_images(trained_on: Collection[str], manifest: Manifest, count: int | None = None) -> None:
    """Check the images that a GAN saw from which another one started; they may be of another data set.

    Args:
        trained_on: Their content hashes, at least of those that are in `manifest`.
        manifest: The data set that the other one is for.
        count: How many they are, if `trained_on` lacks some.

    Raises:
        LeakageError: One of them is a validation or test image of this data set, or of one of their patients.
    """
    seen = set(trained_on)
    held_out = [study for study in manifest.studies if study.split in HELD_OUT]
    way_out = "start from a GAN that did not see them, or train from the beginning (without train.start_from)"
    if copies := len(seen & {study.content for study in held_out}):
        raise LeakageError(
            f"{copies} of the {count or len(seen)} images that the GAN to start from was trained on are validation or "
            f"test images of {manifest.name}: {way_out}"
        )
    patients = {study.patient for study in manifest.studies if study.content in seen}
    if shared := patients & {study.patient for study in held_out} - {None}:
        raise LeakageError(
            f"the GAN to start from was trained on images of {len(shared)} patients in the validation or test split of "
            f"{manifest.name}: {way_out}"
        )


def check_synthetic_images(images: npt.NDArray[np.uint8] | ShardedImages, manifest: Manifest) -> None:
    """Check synthetic images `(N, C, H, W) uint8` by their content, whatever their manifest says.

    Raises LeakageError if one equals a validation or test image.
    """
    held_out = manifest.contents(*HELD_OUT)
    copies = sum(content_hash(image) in held_out for image in images)
    if copies:
        raise LeakageError(
            f"{copies} of the {len(images)} synthetic images are copies of validation or test images of "
            f"{manifest.name}: train the GAN on the training split alone and generate again"
        )


def _check_same_form(synthetic: SyntheticManifest, manifest: Manifest) -> None:
    pairs = {
        "shape": (synthetic.shape, manifest.shape),
        "task": (synthetic.task, manifest.task),
        "labels": (synthetic.labels, manifest.labels),
    }
    for what, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise DataError(
                f"the {what} of the synthetic set ({_text(theirs)}) differ from those of {manifest.name} "
                f"({_text(ours)}): generate it with a GAN trained on this data set"
            )


def _text(value: tuple[object, ...] | str) -> str:
    return value if isinstance(value, str) else ", ".join(str(part) for part in value)
