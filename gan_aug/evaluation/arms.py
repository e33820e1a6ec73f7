"""The training set of an arm: which real and synthetic images it holds, with which labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.config.compare import ArmName
from gan_aug.data.manifest import Manifest, Task
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import ARMS


@dataclass(frozen=True)
class ArmPlan:
    """Which images an arm trains on.

    Attributes:
        real: The positions of its real images among the stored images, `(R,) int64`.
        synthetic: How many synthetic images it uses: the first ones of the set.
        labels: The labels of the real and then of the synthetic images, `(R + synthetic, K) float32` of zeros and ones.
        pretrain: Whether it trains on the synthetic images alone first, and then on the real images alone.
        classic: Whether each image is augmented each time it is drawn.
    """

    real: npt.NDArray[np.int64]
    synthetic: int
    labels: npt.NDArray[np.float32]
    pretrain: bool = False
    classic: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of `real` and `synthetic` images, as a report gives them."""
        return {"real": len(self.real), "synthetic": self.synthetic}


@dataclass(frozen=True)
class TrainingSet:
    """An arm's plan together with the images it refers to.

    Attributes:
        plan: The plan.
        store: The stored images of the data set, `(N, C, H, W) uint8`.
        synthetic: The images of the synthetic set, `(M, C, H, W) uint8`, or None.
        augmentation: Applied to each image each time it is drawn, or None.
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


def plan_arm(
    arm: ArmName, manifest: Manifest, synthetic: SyntheticManifest | None, ratio: float, images: int | None = None
) -> ArmPlan:
    """The training set of an arm, as its row of the catalogue says.

    Args:
        arm: Its name.
        manifest: The data set, whose training split is used.
        synthetic: The synthetic set, or None.
        ratio: Synthetic images for each real image, for arms whose number of images depends on it. If the set has
            fewer, all are used.
        images: How many images an arm of repeated images has; None follows from the ratio and the synthetic set.

    Raises:
        DataError: If a synthetic set is needed and absent, a label has no image, or (multi-label) a label has all.
    """
    row = ARMS[arm]
    if row.needs_synthetic and synthetic is None:
        raise DataError(
            f"the arm {arm!r} needs synthetic images, but there are none: run gan-aug generate first, "
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
        real = repeated(real, images or len(real) + synthetic_count(manifest, synthetic, ratio))
    labels = manifest.label_matrix()[real]
    if row.pretrain:
        _check_classes(arm, labels, manifest.labels, manifest.task)
    if synthetic is not None and count:
        labels = np.concatenate([labels, synthetic.label_matrix()[:count]])
    _check_classes(arm, labels, manifest.labels, manifest.task)
    return ArmPlan(real, count, labels, pretrain=row.pretrain, classic=row.classic)


def synthetic_count(manifest: Manifest, synthetic: SyntheticManifest | None, ratio: float) -> int:
    """The number of synthetic images that `mixed` uses.

    Args:
        manifest: The data set.
        synthetic: The synthetic set, or None if it does not limit the number.
        ratio: Synthetic images for each real training image.

    Returns:
        At least 1, and at most the number of images in the set.
    """
    wanted = max(1, round(ratio * len(manifest.indices("train"))))
    return wanted if synthetic is None else min(wanted, len(synthetic.image_labels))


def repeated(real: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Repeat `real`, `(R,) int64`, to `total` positions: it comes first, and then permutations of it, the last one cut.

    The permutations are the same in each call.
    """
    rng = np.random.default_rng(0)
    passes = [real] + [rng.permutation(real) for _ in range(-(-total // max(1, len(real))) - 1)]
    return np.concatenate(passes)[:total]


def shuffle_labels(plan: ArmPlan, seed: int) -> ArmPlan:
    """The plan with its labels shuffled at random, so that images carry no information about them.

    If each image has one label, all labels are used equally often. Otherwise a network could learn no more than that
    one label is common, and be more certain of it for brighter images. If brightness is correlated with the true label,
    its AUC would then be above chance.
    """
    rng = np.random.default_rng([seed, *b"shuffle"])
    labels = plan.labels
    if (labels.sum(axis=1) == 1).all():
        count, names = labels.shape
        labels = np.eye(names, dtype=np.float32)[np.arange(count) % names]
    return dataclasses.replace(plan, labels=rng.permutation(labels))


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
                f"every training image of the arm {arm!r} has the label {name!r}: add some without it, or leave that "
                "label out"
            )
