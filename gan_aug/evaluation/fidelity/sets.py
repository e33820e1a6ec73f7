"""Which images fidelity is measured on: two halves of the real training images, and as many synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, open_shards
from gan_aug.run.stores import Place

Rows = npt.NDArray[np.int64]
SEED = 0


@dataclass(frozen=True)
class Side:
    """Images `(n, C, H, W) uint8` to be compared, with labels `(n, K) float32` of zeros and ones."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.float32]


def training_halves(manifest: Manifest) -> tuple[Rows, Rows]:
    """The positions of the training images in two halves, no patient in both, each in a random order.

    Patients are dealt in turns and at random, not label by label: halves made alike would lie nearer to each other than
    two draws do, and KID would fall below 0.
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
    """Positions of the images to compare: the reference, other real ones (both in the store), and synthetic ones.

    All three are of one size, at most `most`: every figure but KID depends on how many images there are.
    """
    reference, other = training_halves(manifest)
    generated = np.random.default_rng(SEED).permutation(len(synthetic.image_labels)).astype(np.int64)
    count = min(most, len(reference), len(other), len(generated))
    return reference[:count], other[:count], generated[:count]


def read_sides(
    manifest: Manifest, store: npt.NDArray[np.uint8], synthetic: SyntheticManifest, place: Place, most: int
) -> tuple[Side, Side, Side]:
    """The images of `choose_images`: reference and other real ones from `store`, synthetic ones from `place`."""
    reference, other, generated = choose_images(manifest, synthetic, most)
    labels = manifest.label_matrix()
    return (
        Side(store[reference], labels[reference]),
        Side(store[other], labels[other]),
        Side(open_shards(place, synthetic)[generated], synthetic.label_matrix()[generated]),
    )
