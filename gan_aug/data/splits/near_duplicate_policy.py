"""What an import does about an image that is nearly the same as an image in another split."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from gan_aug.data.manifest import INTERNAL, NAMES, SPLITS, Split
from gan_aug.data.reading.reader import Reader
from gan_aug.data.splits.assign import Assignment, Candidate, Dropped
from gan_aug.data.splits.near_duplicates import SMALLEST_SIDE, Images, Pair, Rows, near_duplicates
from gan_aug.run.events import Progress

Policy = Literal["report", "drop", "drop made", "move"]

LISTED_PAIRS = 1000
"""How many pairs the import report lists."""

TOLD_SECONDS = 1.0
"""How often it is told how far a search is; a shorter one tells nothing."""


@dataclass(frozen=True)
class NearDuplicate:
    """An image that is nearly the same as one of a split closer to the test; the import report lists them as they are.

    The internal test comes after training and before validation: it is drawn here, and other splits stay as they are.

    Attributes:
        origin: Where the image came from.
        split: Its split.
        like: The origin of the other image.
        like_split: The split of the other image.
        correlation: The correlation of their fine details or of all pixels, whichever is higher; up to 1.
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
        reader: Holds the processes that share a large search, the cache of what earlier imports found among the same
            images, and what says whether to stop.
        progress: Is told (images searched for, images in all), or None.
    """

    images: Images
    candidates: Sequence[Candidate]
    reader: Reader = field(default_factory=Reader)
    progress: Progress | None = None

    @property
    def is_possible(self) -> bool:
        """Whether the images are large enough to be told apart."""
        return bool(min(self.images.shape[2:]) >= SMALLEST_SIDE)

    def all_pairs(self) -> list[tuple[int, int]]:
        """The pairs among all images, whatever their split, as positions."""
        rows = np.arange(len(self.candidates), dtype=np.int64)
        return [(pair.first, pair.second) for pair in self._pairs(rows, rows, _Told(self.progress, len(rows)))]

    def pairs_across(self, splits: Sequence[Split | None]) -> list[Pair]:
        """The pairs of images in two different splits; the second image is in the split closer to the test."""
        train, validation, test, internal = (
            np.array([row for row, found in enumerate(splits) if found == split], dtype=np.int64)
            for split in (*SPLITS, INTERNAL)
        )
        held_out = np.concatenate([validation, test])
        told = _Told(self.progress, len(held_out) + len(test) + (len(internal) + len(held_out)) * bool(len(internal)))
        found = self._pairs(train, held_out, told) + self._pairs(validation, test, told)
        if len(internal):
            found += self._pairs(train, internal, told) + self._pairs(internal, held_out, told)
        return found

    def _pairs(self, first: Rows, second: Rows, told: Progress) -> list[Pair]:
        contents, reader = [candidate.content for candidate in self.candidates], self.reader
        key = json.dumps([contents, first.tolist(), second.tolist()])
        if reader.cache and (known := reader.cache.recall("near", key)) is not None:
            return [Pair(*values) for values in json.loads(known)]
        spread = reader.map if reader.pool else None
        found = near_duplicates(self.images, first, second, cancelled=reader.cancelled, progress=told, spread=spread)
        pairs = [pair for pair in found if contents[pair.first] != contents[pair.second]]
        if reader.cache:
            reader.cache.remember("near", key, json.dumps([[p.first, p.second, p.correlation] for p in pairs]))
        return pairs


class _Told:
    """Tells how far searches that follow one another are, now and then; nothing about short ones."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total
        self._before, self._last, self._begun = 0, time.monotonic(), False

    def __call__(self, done: int, of: int) -> None:
        """`done` of the images `of` one search are done."""
        whole = self._before + done
        self._before += of if done == of else 0
        late = time.monotonic() - self._last >= TOLD_SECONDS
        if self._progress and (late or (self._begun and whole == self._total)):
            self._last, self._begun = time.monotonic(), True
            self._progress(whole, self._total)


@dataclass(frozen=True)
class NearCopies:
    """How many images look nearly the same as one of another split, after what was done about it.

    Attributes:
        searched: Whether images were compared; too small ones are not, and then all numbers are 0.
        test_in_train: The test images that look nearly the same as a training image.
        test_in_validation: The test images that look nearly the same as a validation image.
        validation_in_train: The validation images that look nearly the same as a training image.
        dropped_train: The training images that were dropped.
        dropped_validation: The validation images that were dropped.
        internal_test_in_train: The internal test images that look nearly the same as a training image.
        internal_test_in_validation: Those that look nearly the same as a validation image.
        dropped_internal_test: Those that were dropped.
    """

    searched: bool
    test_in_train: int = 0
    test_in_validation: int = 0
    validation_in_train: int = 0
    dropped_train: int = 0
    dropped_validation: int = 0
    internal_test_in_train: int = 0
    internal_test_in_validation: int = 0
    dropped_internal_test: int = 0


def apply_policy(
    policy: Policy, search: NearDuplicateSearch, assigned: Assignment
) -> tuple[Assignment, list[NearDuplicate], NearCopies]:
    """Find near-duplicates in different splits, and drop or note them.

    Args:
        policy: With "drop", the image farther from the test is dropped. With "drop made", it is dropped if the data set
            itself does not put the two in different splits. Otherwise both are kept and a note says so.
        search: Finds the pairs.
        assigned: The splits before.

    Returns:
        The splits after, the pairs that were found, and how many images they leave.
    """
    candidates, splits = search.candidates, list(assigned.splits)
    found: list[NearDuplicate] = []
    dropped: dict[int, Dropped] = {}
    kept_pairs: list[tuple[int, int]] = []
    for pair in search.pairs_across(assigned.splits):
        split, like_split = splits[pair.first], splits[pair.second]
        if split is None or like_split is None:
            continue  # one of the two was dropped already
        origin, like = candidates[pair.first].origin, candidates[pair.second].origin
        found.append(NearDuplicate(origin, split, like, like_split, round(pair.correlation, 3)))
        made_here = candidates[pair.first].split == candidates[pair.second].split
        if policy == "drop" or (policy == "drop made" and made_here):
            dropped.setdefault(pair.first, Dropped(origin, split, f"nearly the same image as {like} in {like_split}"))
        else:
            kept_pairs.append((pair.first, pair.second))
    left: dict[tuple[Split | None, Split | None], set[int]] = {}
    for first, second in kept_pairs:
        if first not in dropped and second not in dropped:  # else another pair has parted the two
            tested = first if splits[first] == INTERNAL else second
            left.setdefault((splits[first], splits[second]), set()).add(tested)
    counts = Counter(one.split for one in dropped.values())
    copies = NearCopies(
        search.is_possible,
        test_in_train=len(left.get(("train", "test"), ())),
        test_in_validation=len(left.get(("validation", "test"), ())),
        validation_in_train=len(left.get(("train", "validation"), ())),
        dropped_train=counts["train"],
        dropped_validation=counts["validation"],
        internal_test_in_train=len(left.get(("train", INTERNAL), ())),
        internal_test_in_validation=len(left.get((INTERNAL, "validation"), ())),
        dropped_internal_test=counts[INTERNAL],
    )
    kept = tuple(None if row in dropped else split for row, split in enumerate(splits))
    notes = (*assigned.notes, *_notes(copies, assigned.splits))
    return replace(assigned, splits=kept, dropped=(*assigned.dropped, *dropped.values()), notes=notes), found, copies


def _notes(copies: NearCopies, splits: Sequence[Split | None]) -> list[str]:
    """What a report must say of near-duplicates: which were dropped, and which images still have one."""
    notes = []
    gone: tuple[tuple[Split, int, str], ...] = (
        ("train", copies.dropped_train, "validation or test"),
        ("validation", copies.dropped_validation, "test"),
        (INTERNAL, copies.dropped_internal_test, "validation or test"),
    )
    for split, number, others in gone:
        if number:
            were = "was" if number == 1 else "were"
            of = f"{number} of {splits.count(split)} {NAMES[split]} images"
            notes.append(f"{of} {were} dropped: nearly the same as one in {others}")
    kept: tuple[tuple[Split, int, Split], ...] = (
        ("test", copies.test_in_train, "train"),
        ("test", copies.test_in_validation, "validation"),
        ("validation", copies.validation_in_train, "train"),
        (INTERNAL, copies.internal_test_in_train, "train"),
        (INTERNAL, copies.internal_test_in_validation, "validation"),
    )
    for split, number, other in kept:
        if number:
            has = "has" if number == 1 else "have"
            notes.append(
                f"{number} of {splits.count(split)} {NAMES[split]} images {has} a near copy in {NAMES[other]}: kept, "
                "so that figures are too good; see data.near_duplicates"
            )
    return notes


def near_duplicates_record(found: list[NearDuplicate]) -> dict[str, Any]:
    """What was found, as the import report records it."""
    return {"pairs": len(found), "first": [asdict(pair) for pair in found[:LISTED_PAIRS]]}
