"""The audit of one synthetic set: copies, membership, and the verdict on the set and on the model that made it.

It is evidence, not proof: `report.words.audit` says what it cannot see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import INTERNAL, Manifest, Split
from gan_aug.data.splits.near_duplicates import MIN_CORRELATION, ImagesByRow, near_duplicates
from gan_aug.errors import DataError
from gan_aug.evaluation.held_out_copies import Joined
from gan_aug.privacy.copies import CopySearch, Found, Limits
from gan_aug.privacy.membership import LIMIT, MembershipTest
from gan_aug.privacy.nearest import IntArray, Progress
from gan_aug.privacy.patients import grouped_by, patients_of

FEWEST_IMAGES, FEWEST_GROUPS = 16, 4
"""A data set with fewer training images, or fewer patients, cannot be audited."""

ROUNDS = 20
"""How often an image that is left out is replaced by the next one, before the set is refused."""

SAME_KIND: tuple[Split, ...] = ("validation", INTERNAL)
"""Of the held-out splits those whose images are of the training images' kind. A test may come from elsewhere."""

QUANTILES = (0.0, 0.001, 0.01, 0.1, 0.5)
RAREST = 0.01
"""The rarest cases: this share of the training images, those that are the farthest from other patients."""

LOOKED_AT = 256
"""At most so many copies that the other search does not see are aligned and looked at again."""

PAIRS = 16
"""How many of the nearest pairs are listed."""

Redraw = Callable[[list[tuple[int, int]]], npt.NDArray[np.uint8]]
"""Makes the images `(B, C, H, W) uint8` of pairs of a position in the set, which gives the labels, and a number."""


@dataclass(frozen=True)
class Audited:
    """What an audit found: `record` as JSON values, and the images `(B, C, H, W) uint8` that replace others.

    They are in the order of `dropped` in the record; there are none if the set is refused.
    """

    record: dict[str, Any]
    replacements: npt.NDArray[np.uint8]


class Audit:
    """The real images of a data set, ready for the audit of sets whose generator was trained on its training split."""

    def __init__(
        self, manifest: Manifest, images: npt.NDArray[np.uint8], cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Measure what is usual among the training images.

        Args:
            manifest: The data set.
            images: All its images, `(M, C, H, W) uint8`.
            cancelled: Asked now and then whether to stop.

        Raises:
            DataError: There are too few training images or patients to tell a copy from chance.
            Cancelled: `cancelled` returned True.
        """
        self.manifest, self.images, self._cancelled = manifest, images, cancelled
        self.rows = manifest.indices("train")
        held_out = [i for i, study in enumerate(manifest.studies) if study.split in SAME_KIND]
        self.held_out = np.array(held_out, dtype=np.int64)
        together = np.concatenate([self.rows, self.held_out])
        patients = patients_of(manifest, images, together, cancelled)
        self.patients, self.held_out_patients = patients[: len(self.rows)], patients[len(self.rows) :]
        known = len(np.unique(self.patients))
        if len(self.rows) < FEWEST_IMAGES or known < FEWEST_GROUPS:
            raise DataError(
                f"{manifest.name} has {len(self.rows)} training images of {known} patients: an audit needs "
                f"{FEWEST_IMAGES} images of {FEWEST_GROUPS} patients to tell a copy from chance"
            )
        self.copies = CopySearch(images, self.rows, self.patients, manifest.flips, cancelled)
        self.by_chance = self.copies.by_chance()
        self.limits = self.copies.limits(self.by_chance)
        # A held-out image that is nearly a training image is no image of another patient.
        apart = ~np.isin(self.held_out_patients, self.patients)
        self.membership = (
            MembershipTest(images, (self.rows, self.patients), (self.held_out[apart], self.held_out_patients[apart]))
            if known >= FEWEST_IMAGES
            else None
        )

    def __call__(
        self,
        synthetic: ImagesByRow,
        labels: npt.NDArray[np.float32],
        redraw: Redraw | None = None,
        progress: Progress | None = None,
    ) -> Audited:
        """Audit one set.

        Args:
            synthetic: Its images, `(N, C, H, W) uint8`.
            labels: Their labels, `(N, K)` zeros and ones.
            redraw: Makes images in place of those that are left out; None if the generator is not at hand.
            progress: Called with (images done, images in all).

        Returns:
            What was found.

        Raises:
            Cancelled: The audit was stopped.
        """
        count = synthetic.shape[0]
        found = self.copies.measure(synthetic, np.arange(count), progress)
        twins = self._near_duplicates(synthetic, np.arange(count))
        out = np.flatnonzero((found.ratio < self.limits.like_a_copy) | np.isin(np.arange(count), [*twins]))
        confirmed = self._confirmed(synthetic, found, twins)
        most = self.limits.most(count)
        membership = self._membership(synthetic)
        reasons = [
            *(["copies"] if len(out) > most else []),
            *(["copy"] if (found.ratio < self.limits.copy).any() else []),
            *(["membership"] if membership["refused"] else []),
        ]
        replaced, images = ({}, _none_of(synthetic)) if reasons or redraw is None else self._replace(out, count, redraw)
        if replaced is None:
            reasons.append("irreplaceable")
        of_model = [reason for reason in reasons if reason in ("copies", "membership")]
        if confirmed:
            of_model.append("confirmed")
        dropped = [
            {
                "index": int(k),
                "ratio": float(found.ratio[k]),
                "training": int(self.rows[found.row[k]]),
                "nearly_equal": k in twins,
                "replaced_by": (replaced or {}).get(int(k)),
            }
            for k in out
        ]
        record = {
            "training": {
                "images": len(self.rows),
                "patients": len(np.unique(self.patients)),
                "grouped_by": grouped_by(self.manifest),
            },
            "images": count,
            "copies": {
                "variants": len(self.copies.variants),
                "dimensions": len(self.copies.space.basis),
                "by_chance": _chance(self.limits, self.by_chance),
                "like_a_copy": self.limits.like_a_copy,
                "copy": self.limits.copy,
                "most": most,
                "dropped": dropped,
                "below_copy": int((found.ratio < self.limits.copy).sum()),
                "confirmed": confirmed,
                "quantiles": _quantiles(found.ratio),
                "authenticity": float((found.ratio >= 1).mean()),
                "per_class": self._per_class(found, labels),
                "rarest": self._rarest(found),
                "nearest": self._nearest(found),
            },
            "membership": membership,
            "set": {"allowed": not reasons, "reasons": reasons},
            "model": {"allowed": not of_model, "reasons": of_model},
        }
        return Audited(record, images)

    def _near_duplicates(self, synthetic: ImagesByRow, rows: IntArray) -> set[int]:
        """The positions in `rows` of images that the search for near duplicates finds among the training images."""
        joined = Joined(self.images, synthetic)
        pairs = near_duplicates(joined, self.rows, rows + len(self.images), cancelled=self._cancelled)
        return {pair.second - len(self.images) for pair in pairs}

    def _confirmed(self, synthetic: ImagesByRow, found: Found, twins: set[int]) -> list[int]:
        """The positions of copies beyond chance that the other search confirms, as they are or in their variant."""
        certain = np.flatnonzero(found.ratio < self.limits.copy)
        confirmed = {int(k) for k in certain if k in twins}
        for k in [k for k in certain if k not in confirmed][:LOOKED_AT]:
            aligned = self.copies.variants[found.variant[k]].of(synthetic[np.array([k])])
            pair = np.concatenate([self.images[self.rows[found.row[k]]][None], aligned])
            equal = np.corrcoef(pair.reshape(2, -1))[0, 1] >= MIN_CORRELATION  # images may be too small to search
            if equal or near_duplicates(pair, np.array([0]), np.array([1])):
                confirmed.add(int(k))
        return sorted(confirmed)

    def _replace(
        self, out: IntArray, count: int, redraw: Redraw
    ) -> tuple[dict[int, int] | None, npt.NDArray[np.uint8]]:
        """The number of the image that takes the place of each that is left out, and the images; None if none will do.

        The next numbers are tried in turn. Each image is audited as those of the set were.
        """
        numbers: dict[int, int] = {}
        made: dict[int, npt.NDArray[np.uint8]] = {}
        waiting, following = out.tolist(), count
        for _ in range(ROUNDS):
            if not waiting:
                break
            tried = [(position, following + k) for k, position in enumerate(waiting)]
            following += len(tried)
            images = redraw(tried)
            found, rows = self.copies.measure(images, np.arange(len(images))), np.arange(len(images))
            twins = self._near_duplicates(images, rows)
            good = [k for k in rows if found.ratio[k] >= self.limits.like_a_copy and k not in twins]
            for k in good:
                numbers[tried[k][0]], made[tried[k][0]] = tried[k][1], images[k]
            waiting = [position for position in waiting if position not in numbers]
        if waiting:
            return None, np.empty((0, *self.manifest.shape), dtype=np.uint8)
        ordered = [made[position] for position in out.tolist()]
        return numbers, np.stack(ordered) if ordered else np.empty((0, *self.manifest.shape), dtype=np.uint8)

    def _membership(self, synthetic: ImagesByRow) -> dict[str, Any]:
        if self.membership is None or len(self.membership.held_out) < 2 or len(self.membership.members) < 2:
            return {"auc": None, "limit": LIMIT, "judged": False, "because": "few", "refused": False}
        matrix, names = self.manifest.label_matrix(), self.manifest.labels
        return self.membership.judge(self.membership.scores(synthetic), matrix, names)

    def _per_class(self, found: Found, labels: npt.NDArray[np.float32]) -> dict[str, Any]:
        """Of the images of each label: how many, how many are left out, the quantiles of the ratio."""
        own = {name: found.ratio[labels[:, k] == 1] for k, name in enumerate(self.manifest.labels)}
        return {
            name: {
                "images": len(ratio),
                "like_a_copy": int((ratio < self.limits.like_a_copy).sum()),
                "quantiles": _quantiles(ratio),
            }
            for name, ratio in own.items()
        }

    def _rarest(self, found: Found) -> dict[str, Any]:
        """The images whose nearest training image is one of the rarest cases, those far from all other patients."""
        apart = self.copies.apart(self.copies.sample)
        limit = float(np.quantile(apart, 1 - RAREST))
        ratio = found.ratio[self.copies.apart(found.row) >= limit]
        return {"share": RAREST, "images": len(ratio), "quantiles": _quantiles(ratio)}

    def _nearest(self, found: Found) -> list[dict[str, Any]]:
        """The pairs with the least ratio."""
        order = np.argsort(found.ratio, kind="stable")[:PAIRS]
        return [
            {
                "index": int(k),
                "ratio": float(found.ratio[k]),
                "training": int(self.rows[found.row[k]]),
                "variant": int(found.variant[k]),
            }
            for k in order
        ]


def _chance(limits: Limits, by_chance: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {
        "images": limits.images,
        "patients": limits.patients,
        "least": limits.least,
        "rank": limits.rank,
        "quantiles": _quantiles(by_chance),
    }


def _quantiles(values: npt.NDArray[np.float64]) -> list[float] | None:
    """The QUANTILES of some values; None of no value."""
    return np.quantile(values, QUANTILES).tolist() if len(values) else None


def _none_of(images: ImagesByRow) -> npt.NDArray[np.uint8]:
    return np.empty((0, *images.shape[1:]), dtype=np.uint8)
