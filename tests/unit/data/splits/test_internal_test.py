"""The internal test: whole patients of the training images, and only if the data set's own test may differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.splitting import Splitting, split_images
from gan_aug.data.items import Source
from gan_aug.data.manifest import INTERNAL, Split
from gan_aug.data.splits.assign import Candidate, Dropped
from gan_aug.data.splits.near_duplicate_policy import NearDuplicateSearch
from gan_aug.data.splits.near_duplicates import Pair

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Found = list[tuple[int, int]]


class _Search(NearDuplicateSearch):
    """Finds the pairs that a test names; the first of each is farther from the test."""

    pairs: Found

    def _pairs(self, first: Any, second: Any, told: Any) -> list[Pair]:
        ahead, behind = set(first.tolist()), set(second.tolist())
        known = [(a, b) for pair in self.pairs for a, b in (pair, pair[::-1])]
        return [Pair(a, b, 0.99) for a, b in known if a in ahead and b in behind]


def films(patients: int = 600, share: float = 0.25, splits: Sequence[Split | None] = SPLITS) -> list[Candidate]:
    """Each patient has one to three films with the same label; five of seven are in the first split."""
    found = []
    for patient in range(patients * len(splits)):
        split = splits[0] if patient % 7 < 5 else splits[patient % len(splits)]
        for film in range(1 + patient % 3):
            sick = int(patient % 4 < 4 * share)
            found.append(Candidate(f"{patient}/{film}", (sick,), f"p{patient}", split, f"{patient}-{film}.png"))
    return found


def split(
    candidates: Sequence[Candidate], pairs: Found | None = None, alike: str | None = None, **asked: Any
) -> Splitting:
    search = _Search(np.zeros((len(candidates), 1, 64, 64), dtype=np.uint8), candidates)
    object.__setattr__(search, "pairs", pairs or [])
    source = Source("films", "multi-class", ("normal", "pneumonia"), (), test_alike=alike)
    leaks: list[Dropped] = []
    return split_images(DataConfig(source="folder", **asked), source, asked.get("seed", 0), search, leaks)


def rows(found: Splitting, wanted: Split) -> list[int]:
    return [row for row, one in enumerate(found.assigned.splits) if one == wanted]


def test_a_tenth_of_the_patients_of_the_training_images_is_held_out_and_nothing_else_moves() -> None:
    candidates = films()
    with_it, without = split(candidates), split(candidates, internal_test="off")
    assert with_it.no_internal_test is None
    assert without.no_internal_test == "data.internal_test is off"
    moved = [pair for pair in zip(without.assigned.splits, with_it.assigned.splits, strict=True) if pair[0] != pair[1]]
    assert set(moved) == {("train", INTERNAL)}
    sides: dict[str | None, set[str | None]] = {}
    for one, where in zip(candidates, with_it.assigned.splits, strict=True):
        sides.setdefault(one.patient, set()).add(where)
    assert all(len(found) == 1 for found in sides.values())
    drawn = Counter(where for found in sides.values() for where in found)
    assert drawn[INTERNAL] == pytest.approx(0.1 * (drawn[INTERNAL] + drawn["train"]), abs=2)
    assert split(candidates).assigned == with_it.assigned
    assert with_it.assigned.origin == (
        "the set's own; internal test: 0.1 of the training patients, drawn at random within strata of labels and "
        "images per patient, from the seed"
    )


def test_the_mean_image_count_and_label_are_those_of_the_training_images() -> None:
    candidates = films(700)
    found = split(candidates)
    train, internal = rows(found, "train"), rows(found, INTERNAL)

    def figures(some: list[int]) -> tuple[float, float]:
        patients = {candidates[i].patient for i in some}
        return len(some) / len(patients), sum(candidates[i].labels[0] for i in some) / len(some)

    for ours, theirs in zip(figures(train), figures(internal), strict=True):
        assert ours == pytest.approx(theirs, rel=0.05)


@pytest.mark.parametrize(
    ("candidates", "changes", "why"),
    [
        (
            films(splits=(None,) * 3),
            {},
            "the test is one itself, drawn at random from the same images as the training images",
        ),
        (films(splits=(None,) * 3), {"folds": 5}, "the test is one itself, drawn at random"),
        (films(), {"alike": "they were divided 7:1:2"}, "the test is one itself, as they were divided 7:1:2"),
        (films(100), {}, "of the label 'pneumonia' it would have 6 patients, and 30 of each label are needed"),
        (films(splits=("train", "validation", "train")), {"test": 0}, "there is no test beside which it would stand"),
    ],
)
def test_why_there_is_none(candidates: list[Candidate], changes: dict[str, Any], why: str) -> None:
    found = split(candidates, **changes)
    assert why in (found.no_internal_test or "")
    assert INTERNAL not in found.assigned.splits


def test_a_share_draws_one_whatever_the_set_is_like() -> None:
    for candidates in (films(100), films(splits=(None,) * 3)):
        found = split(candidates, internal_test=0.25)
        train = {candidates[i].patient for i in rows(found, "train")}
        internal = {candidates[i].patient for i in rows(found, INTERNAL)}
        assert len(internal) == pytest.approx(0.25 * (len(train) + len(internal)), abs=2)
        assert not train & internal
        assert "internal test: 0.25 of the training patients" in found.assigned.origin
    assert DataConfig.model_validate({"source": "digits", "internal_test": False}).internal_test == "off"


def test_near_copies_leave_training_and_the_internal_test_but_no_other_split() -> None:
    candidates = films()
    plain = split(candidates)
    train, internal, validation = (rows(plain, one) for one in ("train", INTERNAL, "validation"))
    pairs = [(train[3], internal[0]), (internal[5], validation[2])]
    found = split(candidates, pairs, near_duplicates="drop")
    assert [row for row, one in enumerate(found.assigned.splits) if one is None] == sorted([train[3], internal[5]])
    assert (found.copies.dropped_train, found.copies.dropped_internal_test) == (1, 1)
    kept = split(candidates, pairs, near_duplicates="report")
    assert kept.assigned.splits == plain.assigned.splits
    assert (kept.copies.internal_test_in_train, kept.copies.internal_test_in_validation) == (1, 1)
    assert any(
        note.startswith("1 of ") and "internal test images has a near copy" in note for note in kept.assigned.notes
    )


def test_an_internal_test_that_would_cost_too_many_images_is_not_drawn_by_itself() -> None:
    candidates = films()
    plain = split(candidates)
    train, internal, validation = (rows(plain, one) for one in ("train", INTERNAL, "validation"))
    many = [(row, internal[0]) for row in train[: 3 * len(internal)]]
    found = split(candidates, many, near_duplicates="drop")
    assert "training images are nearly the same as one of the" in (found.no_internal_test or "")
    assert found.assigned.splits == split(candidates, near_duplicates="drop", internal_test="off").assigned.splits
    assert INTERNAL in split(candidates, many, near_duplicates="drop", internal_test=0.1).assigned.splits
    own = [(row, validation[0]) for row in internal]
    assert "nearly the same as a validation or test image" in (
        split(candidates, own, near_duplicates="drop").no_internal_test or ""
    )
