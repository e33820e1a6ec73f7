"""Who shares a patient, for the audit: by the data set's own patients, else by images that are nearly the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.near_duplicates import SMALLEST_SIDE, near_duplicates
from gan_aug.privacy.nearest import IntArray

GroupedBy = Literal["patients", "near-duplicates", "images"]
"""What the numbers of `patients_of` stand for.

Patients as the data set names them; or groups of images that are nearly the same, if it names none; or single images,
if these are too small for that search."""


def grouped_by(manifest: Manifest) -> GroupedBy:
    """What stands for a patient in a data set: patients if it names any."""
    if any(study.patient for study in manifest.studies):
        return "patients"
    return "near-duplicates" if min(manifest.shape[1:]) >= SMALLEST_SIDE else "images"


def patients_of(
    manifest: Manifest,
    images: npt.NDArray[np.uint8],
    rows: IntArray,
    cancelled: Callable[[], bool] | None = None,
) -> IntArray:
    """The number of the patient of each row, `(N,)`. Equal images have the same one, whatever the data set says.

    Args:
        manifest: The data set.
        images: All its images, `(M, C, H, W) uint8`.
        rows: Whose patients are wanted, `(N,)`.
        cancelled: Asked now and then whether to stop.
    """
    place = {int(row): k for k, row in enumerate(rows)}
    owner = list(range(len(rows)))

    def root(k: int) -> int:
        while owner[k] != k:
            owner[k] = owner[owner[k]]
            k = owner[k]
        return k

    first: dict[str, int] = {}
    for k, row in enumerate(rows):
        study = manifest.studies[row]
        for key in (study.content, *([f"patient {study.patient}"] if study.patient else ())):
            owner[root(k)] = root(first.setdefault(key, k))
    if grouped_by(manifest) == "near-duplicates":
        for pair in near_duplicates(images, rows, rows, cancelled=cancelled):
            owner[root(place[pair.first])] = root(place[pair.second])
    return np.unique([root(k) for k in range(len(rows))], return_inverse=True)[1].astype(np.int64)
