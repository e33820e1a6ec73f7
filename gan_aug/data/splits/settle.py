"""What an import does about images that nearly repeat one of another split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from gan_aug.data.manifest import SPLITS, Split
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.reader import IsCancelled
from gan_aug.data.splits.assign import Assignment, Candidate, Dropped
from gan_aug.data.splits.near_duplicates import Images, Pair, Rows, near_duplicates

SHOWN = 1000
"""Pairs listed in the import report."""


@dataclass(frozen=True)
class Resemblance:
    """An image, its look-alike nearer to the test, and the correlation of their details."""

    origin: str
    split: Split
    like: str
    like_split: Split
    correlation: float


@dataclass(frozen=True)
class Search:
    """Where to look: the store's images, whose they are, and what earlier imports found in the very same ones."""

    images: Images
    candidates: Sequence[Candidate]
    cache: CacheFolder | None = None
    cancelled: IsCancelled | None = None

    def everywhere(self) -> list[tuple[int, int]]:
        """Pairs of all images, whatever their split."""
        rows = np.arange(len(self.candidates), dtype=np.int64)
        return [(pair.first, pair.second) for pair in self._pairs(rows, rows)]

    def across(self, splits: Sequence[Split | None]) -> list[Pair]:
        """Pairs of images on two sides, the one nearer to the test second."""
        train, validation, test = (
            np.array([row for row, found in enumerate(splits) if found == split], dtype=np.int64) for split in SPLITS
        )
        held_out = np.concatenate([validation, test])
        return self._pairs(train, held_out) + self._pairs(validation, test)

    def _pairs(self, first: Rows, second: Rows) -> list[Pair]:
        contents = [candidate.content for candidate in self.candidates]
        key = json.dumps([contents, first.tolist(), second.tolist()])
        if self.cache and (known := self.cache.recall("near", key)) is not None:
            return [Pair(*values) for values in json.loads(known)]
        found = near_duplicates(self.images, first, second, cancelled=self.cancelled)
        pairs = [pair for pair in found if contents[pair.first] != contents[pair.second]]
        if self.cache:
            self.cache.remember("near", key, json.dumps([[p.first, p.second, p.correlation] for p in pairs]))
        return pairs


def settle(
    policy: Literal["report", "drop", "move"], search: Search, assigned: Assignment
) -> tuple[Assignment, list[Resemblance]]:
    """The assignment after `policy`, and what was found: `drop` takes the training side of each pair out."""
    candidates, splits = search.candidates, list(assigned.splits)
    found: list[Resemblance] = []
    dropped: dict[int, Dropped] = {}
    for pair in search.across(assigned.splits):
        near, far = splits[pair.first], splits[pair.second]
        if near is None or far is None:
            continue  # its look-alike was dropped already
        origin, like = candidates[pair.first].origin, candidates[pair.second].origin
        found.append(Resemblance(origin, near, like, far, round(pair.correlation, 3)))
        dropped.setdefault(pair.first, Dropped(origin, near, f"nearly the same image as {like} in {far}"))
    if not found:
        return assigned, []
    count = len(dropped)
    images, look = ("image", "looks") if count == 1 else ("images", "look")
    what = "dropped" if policy == "drop" else "kept, so that figures may be too good; see data.near_duplicates"
    note = f"{count} {images} {look} nearly the same as one of a split nearer to the test: {what}"
    if policy != "drop":
        return replace(assigned, notes=(*assigned.notes, note)), found
    kept = tuple(None if row in dropped else split for row, split in enumerate(splits))
    out = (*assigned.dropped, *dropped.values())
    return replace(assigned, splits=kept, dropped=out, notes=(*assigned.notes, note)), found


def listed(found: list[Resemblance]) -> dict[str, Any]:
    """What was found, for the import report."""
    return {"pairs": len(found), "first": [asdict(pair) for pair in found[:SHOWN]]}
