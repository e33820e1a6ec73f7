"""The images on which fidelity is measured: two halves of the real training images, and as many synthetic ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, open_shards
from gan_aug.evaluation.fidelity.distances import FloatArray
from gan_aug.run.stores import Place

Rows = npt.NDArray[np.int64]
SEED = 0
Result = TypeVar("Result")


@dataclass(frozen=True)
class Side:
    """Images `(n, C, H, W) uint8` to be compared, with labels `(n, K) float32` of zeros and ones."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]


class OfReal:
    """Remembers what was computed of real images: each synthetic set of a run is compared with the same ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def __call__(
        self, what: str, images: npt.NDArray[np.uint8], compute: Callable[[npt.NDArray[np.uint8]], Result]
    ) -> Result:
        """`compute(images)`, or what it gave before.

        Args:
            what: What is computed, and with what.
            images: `(N, C, H, W) uint8`.
            compute: A function of the images alone.
        """
        key = what, hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
        if key not in self._known:
            self._known[key] = compute(images)
        result: Result = self._known[key]
        return result


@dataclass(frozen=True)
class FeatureSets:
    """Features `(n, D) float64` of the reference, of other real images, and of synthetic ones."""

    reference: FloatArray
    real: FloatArray
    synthetic: FloatArray


def training_halves(manifest: Manifest) -> tuple[Rows, Rows]:
    """The positions of the training images in two halves, each in a random order; no patient is in both halves.

    Patients are dealt out in turn, in random order, and not stratified by label: stratified halves would be nearer to
    each other than two random samples are, and KID would fall below 0.
    """
    generator = np.random.default_rng(SEED)
    patients: dict[str, list[int]] = {}
    for row in manifest.indices("train").tolist():
        patients.setdefault(manifest.studies[row].patient or f"image {row}", []).append(row)
    groups = list(patients.values())
    dealt = [groups[i] for i in generator.permutation(len(groups))]
    halves = [[row for group in dealt[start::2] for row in group] for start in (0, 1)]
    first, second = (generator.permutation(np.array(half, dtype=np.int64)) for half in halves)
    return first, second


def choose_images(manifest: Manifest, synthetic: SyntheticManifest, most: int) -> tuple[Rows, Rows, Rows]:
    """Choose the images to compare.

    All three groups have the same size, because every figure except KID depends on the number of images.

    Args:
        manifest: The data set.
        synthetic: The synthetic set.
        most: The largest size of a group.

    Returns:
        The positions of the reference and of other real images in the data set, and of images in the synthetic set.
    """
    reference, other = training_halves(manifest)
    generated = np.random.default_rng(SEED).permutation(len(synthetic.image_labels)).astype(np.int64)
    count = min(most, len(reference), len(other), len(generated))
    return reference[:count], other[:count], generated[:count]


def read_sides(
    manifest: Manifest, store: npt.NDArray[np.uint8], synthetic: SyntheticManifest, place: Place, most: int
) -> tuple[Side, Side, Side]:
    """Read the images that `choose_images` chooses.

    Args:
        manifest: The data set.
        store: All its images, `(N, C, H, W) uint8`.
        synthetic: The synthetic set.
        place: Where its shards are.
        most: The largest size of a side.

    Returns:
        The reference, other real images, and synthetic images.
    """
    reference, other, generated = choose_images(manifest, synthetic, most)
    labels = manifest.label_matrix()
    return (
        Side(store[reference], labels[reference]),
        Side(store[other], labels[other]),
        Side(open_shards(place, synthetic)[generated], synthetic.label_matrix()[generated]),
    )
