"""The arms: how a classifier's training set is made, and the gate a synthetic set passes before it enters one."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.config.compare import ArmName
from gan_aug.data.manifest import Manifest, Task, content_hash
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import DataError, LeakageError
from gan_aug.evaluation.arm_catalogue import ARMS

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class ArmPlan:
    """Which images an arm trains on: `real` positions `(R,) int64` in the store, then the first `synthetic` ones.

    `labels` are `(R + synthetic, K) float32` of zeros and ones, in that order. `pretrain`: the synthetic ones come
    first in time, alone, then the real ones alone; `classic`: all are augmented as they are drawn.
    """

    real: npt.NDArray[np.int64]
    synthetic: int
    labels: npt.NDArray[np.float32]
    pretrain: bool = False
    classic: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many real and synthetic images there are, as a report gives them."""
        return {"real": len(self.real), "synthetic": self.synthetic}


@dataclass(frozen=True)
class TrainingSet:
    """An arm's plan with the images it points into: the store and the synthetic set, both `(N, C, H, W) uint8`.

    `augmentation` is applied to every image as it is drawn.
    """

    plan: ArmPlan
    store: npt.NDArray[np.uint8]
    synthetic: npt.NDArray[np.uint8] | ShardedImages | None
    augmentation: ClassicAugmentation | None = None

    def __len__(self) -> int:
        """The number of training images."""
        return len(self.plan.labels)

    def images(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Copies of the images at `positions` of the training set, `(B, C, H, W) uint8`."""
        reals = len(self.plan.real)
        batch = np.empty((len(positions), *self.store.shape[1:]), dtype=np.uint8)
        is_real = positions < reals
        batch[is_real] = self.store[self.plan.real[positions[is_real]]]
        if self.synthetic is not None:
            batch[~is_real] = self.synthetic[positions[~is_real] - reals]
        return batch


def plan_arm(arm: ArmName, manifest: Manifest, synthetic: SyntheticManifest | None, ratio: float) -> ArmPlan:
    """The training set of an arm, as its row of the catalogue says.

    Args:
        arm: its name.
        manifest: the data set, whose training split is used.
        synthetic: the synthetic set, or None.
        ratio: synthetic images for each real one, for arms that take their number from it: all, if there are fewer.

    Raises:
        DataError: the synthetic set is absent, or a class has no image, or (multi-label) none without it.
    """
    row = ARMS[arm]
    if row.needs_synthetic and synthetic is None:
        raise DataError(
            f"the arm {arm!r} needs synthetic images and there are none: run gan-aug generate first, "
            "or set compare.arms to [real]"
        )
    real, count = manifest.indices("train"), 0
    if row.synthetic == "all" and synthetic is not None:
        count = len(synthetic.image_labels)
    elif row.synthetic == "by ratio":
        count = synthetic_count(manifest, synthetic, ratio)
    if row.real == "none":
        real = real[:0]
    elif row.real == "repeated":
        real = repeated(real, len(real) + synthetic_count(manifest, synthetic, ratio))
    labels = manifest.label_matrix()[real]
    if row.pretrain:
        _check_classes(arm, labels, manifest.labels, manifest.task)
    if synthetic is not None and count:
        labels = np.concatenate([labels, synthetic.label_matrix()[:count]])
    _check_classes(arm, labels, manifest.labels, manifest.task)
    return ArmPlan(real, count, labels, pretrain=row.pretrain, classic=row.classic)


def synthetic_count(manifest: Manifest, synthetic: SyntheticManifest | None, ratio: float) -> int:
    """How many synthetic images `mixed` takes: `ratio` for each real one, or all where there are fewer."""
    wanted = max(1, round(ratio * len(manifest.indices("train"))))
    return wanted if synthetic is None else min(wanted, len(synthetic.image_labels))


def repeated(real: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """`real` and then copies of it, `(total,)`: whole passes, and of the last a part drawn by chance (always alike)."""
    extra = np.random.default_rng(0)
    passes = [real] + [extra.permutation(real) for _ in range(-(-total // max(1, len(real))) - 1)]
    return np.concatenate(passes)[:total]


def shuffled(plan: ArmPlan, seed: int) -> ArmPlan:
    """`plan` with its labels dealt out anew by chance, so that images say nothing about them.

    Where each image has one label, all labels are dealt equally often: a network that has learnt nothing but that one
    label is common says so more firmly of brighter images, and where brightness goes with the truth its AUC would be
    above chance.
    """
    rng = np.random.default_rng([seed, *b"shuffle"])
    labels = plan.labels
    if (labels.sum(axis=1) == 1).all():
        count, names = labels.shape
        labels = np.eye(names, dtype=np.float32)[np.arange(count) % names]
    return dataclasses.replace(plan, labels=rng.permutation(labels))


def accept(synthetic: SyntheticManifest, manifest: Manifest) -> None:
    """Let a synthetic set into this data set's arms, or say why not.

    Raises DataError when shapes, tasks or labels differ, and LeakageError when the generator saw a validation or test
    image, one of their patients, or an image that is not in this training split.
    """
    _check_alike(synthetic, manifest)
    check_unseen(set(synthetic.trained_on), manifest)


def check_unseen(trained_on: Set[str], manifest: Manifest) -> None:
    """Check that a generator trained on the images with these content hashes saw this training split alone.

    Raises LeakageError when it saw a validation or test image, one of their patients, or an image from elsewhere.
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
    learnt = {study.patient for study in train if study.content in trained_on}
    patients = learnt & {study.patient for study in held_out} - {None}
    if patients:
        raise LeakageError(
            f"patients the generator saw are also in the validation or test split of {manifest.name} "
            f"({len(patients)} of them): import the data again so that each is in one split, then {way_out}"
        )


def accept_images(images: npt.NDArray[np.uint8] | ShardedImages, manifest: Manifest) -> None:
    """Check synthetic images `(N, C, H, W) uint8` by content, whatever their manifest says of them.

    Raises LeakageError when one equals a validation or test image.
    """
    held_out: Set[str] = {study.content for study in manifest.studies if study.split in HELD_OUT}
    copies = sum(content_hash(image) in held_out for image in images)
    if copies:
        raise LeakageError(
            f"{copies} of the {len(images)} synthetic images are copies of validation or test images of "
            f"{manifest.name}: train the GAN on the training split alone and generate again"
        )


def _check_alike(synthetic: SyntheticManifest, manifest: Manifest) -> None:
    pairs = {
        "shape": (synthetic.shape, manifest.shape),
        "task": (synthetic.task, manifest.task),
        "labels": (synthetic.labels, manifest.labels),
    }
    for what, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise DataError(
                f"the {what} of the synthetic set ({_spell(theirs)}) differ from those of {manifest.name} "
                f"({_spell(ours)}): generate it with a GAN trained on this data set"
            )


def _spell(value: tuple[object, ...] | str) -> str:
    return value if isinstance(value, str) else ", ".join(str(part) for part in value)


def _check_classes(arm: str, labels: npt.NDArray[np.float32], names: tuple[str, ...], task: Task) -> None:
    sums = labels.sum(axis=0)
    for name, total in zip(names, sums, strict=True):
        if total == 0:
            raise DataError(
                f"the arm {arm!r} has no training image of {name!r} among {len(labels)}: add some, or leave that "
                "label out"
            )
        if task == "multi-label" and total == len(labels):
            raise DataError(
                f"every training image of the arm {arm!r} has the label {name!r}: add some without it, or leave it out"
            )
