"""What an import does about an image that is nearly the same as an image in another split."""

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

LISTED_PAIRS = 1000
"""How many pairs the import report lists."""


@dataclass(frozen=True)
class NearDuplicate:
    """An image that is nearly the same as one of a split closer to the test; the import report lists them as they are.

    Attributes:
        origin: Where the image came from.
        split: Its split.
        like: The origin of the other image.
        like_split: The split of the other image.
        correlation: The correlation of their fine details, up to 1.
    """

    origin: str
    split: Split
    like: str
    like_split: Split
    correlation: float


@dataclass(frozen=True)
class NearDuplicateSearch:
    """A search among all images that an import has read.

    Attributes:
        images: The stored images, `(N, C, H, W) uint8`.
        candidates: What is known of each image.
        cache: Holds what earlier imports found among the same images, or None.
        cancelled: Says whether to stop, or None.
    """

    images: Images
    candidates: Sequence[Candidate]
    cache: CacheFolder | None = None
    cancelled: IsCancelled | None = None

    def all_pairs(self) -> list[tuple[int, int]]:
        """The pairs among all images, whatever their split, as positions."""
        rows = np.arange(len(self.candidates), dtype=np.int64)
        return [(pair.first, pair.second) for pair in self._pairs(rows, rows)]

    def pairs_across(self, splits: Sequence[Split | None]) -> list[Pair]:
        """The pairs of images in two different splits; the second image is in the split closer to the test."""
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


def apply_policy(
    policy: Literal["report", "drop", "move"], search: NearDuplicateSearch, assigned: Assignment
) -> tuple[Assignment, list[NearDuplicate]]:
    """Find near-duplicates in different splits, and drop or note them.

    Args:
        policy: With "drop", the image farther from the test is dropped. Otherwise both are kept and a note says so.
        search: Finds the pairs.
        assigned: The splits before.

    Returns:
        The splits after, and the pairs that were found.
    """
    candidates, splits = search.candidates, list(assigned.splits)
    found: list[NearDuplicate] = []
    dropped: dict[int, Dropped] = {}
    for pair in search.pairs_across(assigned.splits):
        split, like_split = splits[pair.first], splits[pair.second]
        if split is None or like_split is None:
            continue  # one of the two was dropped already
        origin, like = candidates[pair.first].origin, candidates[pair.second].origin
        found.append(NearDuplicate(origin, split, like, like_split, round(pair.correlation, 3)))
        dropped.setdefault(pair.first, Dropped(origin, split, f"nearly the same image as {like} in {like_split}"))
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


def near_duplicates_record(found: list[NearDuplicate]) -> dict[str, Any]:
    """What was found, as the import report records it."""
    return {"pairs": len(found), "first": [asdict(pair) for pair in found[:LISTED_PAIRS]]}
