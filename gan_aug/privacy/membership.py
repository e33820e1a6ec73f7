"""Membership: whether a synthetic set tells the training images from images of the same kind that were held out.

The attack scores a real image by its distance to the nearest synthetic image, less that to the nearest of some other
training images (both as logarithms), so that an image in a crowded region does not look like a member for that alone
(the calibration of Watson et al. 2022, arXiv 2111.08440, and of DOMIAS, arXiv 2302.12580). Its AUC is 0.5 if the set
gives nothing away. The other training images are of other patients than the members that are tried, and the features
follow from them alone: but for the generator, members and held-out images are treated alike.

Two controls find faults of the audit itself. Members against members must give 0.5: else the order or the choice of
patients shows. And members against held-out images by their distance to the other training images alone must give 0.5:
else the held-out images are of another kind, and an AUC would say that, and nothing of membership.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.data.splits.near_duplicates import ImagesByRow
from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.arrays import auc
from gan_aug.evaluation.statistics.intervals import t_quantile
from gan_aug.privacy.nearest import AlignedSearch, FloatArray, IntArray
from gan_aug.privacy.space import FITTED, fit_space
from gan_aug.privacy.views import Variant, images_to_views, view_shape

LIMIT = 0.55
"""A set is refused if the AUC's lower bound is above this."""

FEWEST_PATIENTS = 200
"""With fewer held-out patients than this nothing is judged: chance alone reaches the limit."""

MOST, MOST_OTHERS = 2000, FITTED
"""At most so many members and held-out images are tried, and compared with so many other training images."""

OFF = 0.02
"""By how much the interval of a control may miss 0.5."""

POWER = 0.8
WAYS = (Variant(), Variant(mirrored=True))
_SEED = 0
_BATCH = 4096


class MembershipTest:
    """Training images that are tried as members, those they are compared with, and held-out images."""

    def __init__(
        self,
        images: ImagesByRow,
        training: tuple[IntArray, IntArray],
        held_out: tuple[IntArray, IntArray],
    ) -> None:
        """Choose the images, by patient and at random.

        Args:
            images: All images of the data set, `(M, C, H, W) uint8`.
            training: The rows of the training images, and the patient of each.
            held_out: The same of images that the generator never saw. Their patients are others.
        """
        chance = np.random.default_rng(_SEED)
        rows, patients = training
        tried = np.isin(patients, _half(patients, chance))
        others = np.sort(chance.permutation(rows[~tried])[:MOST_OTHERS])
        self._images = images
        self.members, self.member_patients = _some(rows[tried], patients[tried], chance)
        self.held_out, self.held_out_patients = _some(*held_out, chance)
        self._first_half = np.isin(self.member_patients, _half(self.member_patients, chance))
        views = images_to_views(images[others])
        self.space = fit_space(views, view_shape(images.shape[2:]))
        search = self._search(self.space.features(views))
        self._to_others = [np.log(search.nearest(images, own).distance + 1e-6) for own in (self.members, self.held_out)]

    def scores(self, synthetic: ImagesByRow) -> tuple[FloatArray, FloatArray]:
        """How near each member and each held-out image is to a synthetic set, see the module."""
        rows = np.arange(synthetic.shape[0])
        parts = [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
        search = self._search(torch.cat([self.space.features(images_to_views(synthetic[part])) for part in parts]))
        found = [search.nearest(self._images, own).distance for own in (self.members, self.held_out)]
        near = [others - np.log(own + 1e-6) for own, others in zip(found, self._to_others, strict=True)]
        return near[0], near[1]

    def judge(
        self, scores: tuple[FloatArray, FloatArray], labels: npt.NDArray[np.float32], names: Sequence[str]
    ) -> dict[str, Any]:
        """What an attack by these scores finds, as JSON values.

        Args:
            scores: Of the members and of the held-out images, higher for more like a member.
            labels: Of all images of the data set, `(M, K)` zeros and ones.
            names: The name of each label.

        Returns:
            `auc` of all images, `per_class`, the controls `members_only` and `same_kind`, whether the set can be judged
            (`judged`) and if not, why (`because`), and whether it is refused (`refused`). The lower bounds that decide
            are widened for the number of classes that are judged.
        """
        members, held_out = scores
        overall = self._auc(members, held_out)
        controls = {
            "members_only": self._control(members[self._first_half], members[~self._first_half]),
            "same_kind": self._auc(-self._to_others[0], -self._to_others[1]),
        }
        per_class = {}
        for k, name in enumerate(names):
            own = [labels[rows, k] == 1 for rows in (self.members, self.held_out)]
            per_class[name] = self._auc(members, held_out, own[0], own[1])
        because = self._cannot(overall, controls)
        deciding = [overall, *(own for own in per_class.values() if own and _enough(own))]
        bounds = [_lower(one, len(deciding)) for one in deciding if one]
        return {
            "auc": overall,
            "per_class": per_class,
            **controls,
            "limit": LIMIT,
            "judged": because is None,
            "because": because,
            "refused": because is None and any(bound > LIMIT for bound in bounds),
        }

    def _cannot(self, overall: dict[str, Any] | None, controls: dict[str, dict[str, Any] | None]) -> str | None:
        """Why nothing can be judged, as a code; None if it can."""
        if overall is None or not _enough(overall):
            return "few"
        wrong = [name for name, found in controls.items() if found is None or _is_off(found)]
        return wrong[0] if wrong else None

    def _control(self, first: FloatArray, second: FloatArray) -> dict[str, Any] | None:
        patients = self.member_patients[self._first_half], self.member_patients[~self._first_half]
        return found_auc(first, second, patients[0], patients[1])

    def _auc(
        self,
        members: FloatArray,
        held_out: FloatArray,
        of_members: npt.NDArray[np.bool_] | slice = slice(None),
        of_held_out: npt.NDArray[np.bool_] | slice = slice(None),
    ) -> dict[str, Any] | None:
        patients = self.member_patients[of_members], self.held_out_patients[of_held_out]
        return found_auc(members[of_members], held_out[of_held_out], *patients)

    def _search(self, features: torch.Tensor) -> AlignedSearch:
        return AlignedSearch(self.space, features, np.arange(len(features)), WAYS)


def found_auc(
    members: FloatArray, held_out: FloatArray, member_patients: IntArray, held_out_patients: IntArray
) -> dict[str, Any] | None:
    """The AUC of members against held-out images with its interval over patients, as JSON values; None for too few.

    Args:
        members: The scores of the members, higher for more like a member.
        held_out: Those of the held-out images.
        member_patients: The patient of each member.
        held_out_patients: The patient of each held-out image; none is one of the members'.

    Returns:
        `value`, `ci95`, `se`, the numbers of images and patients, and `smallest`: the AUC whose lower bound would be
        above the limit in 80 % of such audits.
    """
    labels = np.concatenate([np.ones(len(members)), np.zeros(len(held_out))])
    owners = [*(("in", k) for k in member_patients.tolist()), *(("out", k) for k in held_out_patients.tolist())]
    try:
        found = auc(labels, np.concatenate([members, held_out]), patients=owners)
    except DataError:
        return None
    count = len(np.unique(member_patients)), len(np.unique(held_out_patients))
    smallest = LIMIT + (t_quantile(0.975, found.df) + t_quantile(POWER, np.inf)) * found.se
    return {
        "value": found.value,
        "ci95": [*found.ci95],
        "se": found.se,
        "smallest": min(1.0, smallest),
        "members": {"images": len(members), "patients": count[0]},
        "held_out": {"images": len(held_out), "patients": count[1]},
    }


def _lower(found: dict[str, Any], tests: int) -> float:
    """The lower bound of an AUC that is one of so many: the wider, the more there are."""
    bound: float = found["value"] - t_quantile(1 - 0.025 / tests, np.inf) * found["se"]
    return bound


def _enough(found: dict[str, Any]) -> bool:
    return bool(min(found[side]["patients"] for side in ("members", "held_out")) >= FEWEST_PATIENTS)


def _is_off(found: dict[str, Any]) -> bool:
    low, high = found["ci95"]
    return bool(low > 0.5 + OFF or high < 0.5 - OFF)


def _half(patients: IntArray, chance: np.random.Generator) -> IntArray:
    """Half of the patients, at random."""
    known = np.unique(patients)
    return chance.permutation(known)[: len(known) // 2]


def _some(rows: IntArray, patients: IntArray, chance: np.random.Generator) -> tuple[IntArray, IntArray]:
    """At most MOST of the rows with their patients, in their order."""
    chosen = np.sort(chance.permutation(len(rows))[:MOST])
    return rows[chosen], patients[chosen]
