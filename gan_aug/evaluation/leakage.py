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
    it started from may have seen images of other data sets, but none of these validation and test images.
    """
    _check_same_form(synthetic, manifest)
    check_trained_on(set(synthetic.trained_on), manifest)
    check_parent_images(synthetic.parent_trained_on, manifest)


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


def check_parent_images(trained_on: Collection[str], manifest: Manifest) -> None:
    """Check the images that a GAN saw from which another one started; they may be of another data set.

    Args:
        trained_on: Their content hashes.
        manifest: The data set that the other one is for.

    Raises:
        LeakageError: One of them is a validation or test image of this data set, or of one of their patients.
    """
    seen = set(trained_on)
    held_out = [study for study in manifest.studies if study.split in HELD_OUT]
    way_out = "start from a GAN that did not see them, or train from the beginning (without train.start_from)"
    if copies := len(seen & {study.content for study in held_out}):
        raise LeakageError(
            f"{copies} of the {len(seen)} images that the GAN to start from was trained on are validation or test "
            f"images of {manifest.name}: {way_out}"
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
    held_out: Set[str] = {study.content for study in manifest.studies if study.split in HELD_OUT}
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
