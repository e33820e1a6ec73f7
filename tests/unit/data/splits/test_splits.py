"""Splits: no patient and no image on two sides, whatever the set; every class everywhere where that is possible."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.data.manifest import SPLITS, Split
from gan_aug.data.splits.assign import Assignment, Candidate, Fold, assign_splits, check_classes
from gan_aug.errors import DataError, LeakageError


def assign(candidates: list[Candidate], **changes: Any) -> Assignment:
    asked: dict[str, Any] = {"validation": 0.1, "test": 0.2, "on_leak": "drop", "seed": 0} | changes
    return assign_splits(candidates, **asked)


def candidate(number: int, label: int = 0, **changes: Any) -> Candidate:
    fields: dict[str, Any] = {"content": f"c{number}", "patient": None, "split": None, "origin": f"{number}.png"}
    return Candidate(labels=(label,), **(fields | changes))


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Candidate]:
    given_splits = draw(st.sampled_from([(None,), ("train", "test"), ("train", "validation", "test")]))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 15),
                st.sets(st.integers(0, 2), max_size=2),
                st.one_of(st.none(), st.integers(0, 9)),
                st.sampled_from(given_splits),
            ),
            min_size=1,
            max_size=40,
        )
    )
    first: Split | None = given_splits[0]
    return [
        Candidate(
            f"c{content}", tuple(sorted(labels)), None if who is None else f"p{who}", split if i else first, f"{i}"
        )
        for i, (content, labels, who, split) in enumerate(rows)
    ]


@settings(max_examples=200)
@given(candidate_lists(), st.integers(0, 5))
def test_no_patient_and_no_image_is_ever_on_two_sides(candidates: list[Candidate], seed: int) -> None:
    assigned = assign(candidates, seed=seed)
    sides: dict[str, set[Split]] = {}
    for found, split in zip(candidates, assigned.splits, strict=True):
        if split:
            sides.setdefault(found.content, set()).add(split)
            if found.patient:
                sides.setdefault(found.patient, set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert assigned == assign(candidates, seed=seed)
    # What was given is kept or dropped; only training studies may become what the set lacks.
    for found, split in zip(candidates, assigned.splits, strict=True):
        assert found.split in (None, "train") or split in (found.split, None)
    assert len(assigned.dropped) == assigned.splits.count(None)


@settings(max_examples=100)
@given(st.lists(st.integers(3, 40), min_size=1, max_size=5), st.integers(0, 9))
def test_single_images_are_split_in_proportion_and_small_classes_reach_each_split(sizes: list[int], seed: int) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    assigned = assign([candidate(i, label) for i, label in enumerate(labels)], seed=seed)
    counts = Counter(zip(labels, assigned.splits, strict=True))
    for label, size in enumerate(sizes):
        for split, share in (("test", 0.2), ("validation", 0.08), ("train", 0.72)):
            low, high = (max(1, bound) for bound in (math.floor(share * size), math.ceil(share * size)))
            assert low - (split == "train") <= counts[label, split] <= high  # what is lacked elsewhere is train's
        assert counts[label, "train"] >= 1


@settings(max_examples=100)
@given(candidate_lists(), st.integers(2, 6), st.integers(0, 5))
def test_folds_are_disjoint_by_patient_and_content_and_hold_everything(
    candidates: list[Candidate], count: int, seed: int
) -> None:
    unsplit = [replace(found, split=None) for found in candidates]
    tested: list[int] = []
    for number in range(count):
        splits = assign(unsplit, fold=Fold(number, count), seed=seed).splits
        sides: dict[str, set[Split | None]] = {}
        for found, split in zip(unsplit, splits, strict=True):
            for key in (found.content, found.patient):
                if key:
                    sides.setdefault(key, set()).add(split)
        assert all(len(splits) == 1 for splits in sides.values())
        tested += [i for i, split in enumerate(splits) if split == "test"]
    assert sorted(tested) == list(range(len(unsplit)))


@settings(max_examples=100)
@given(st.lists(st.integers(6, 40), min_size=1, max_size=5), st.integers(2, 6), st.integers(0, 9))
def test_folds_of_single_images_are_as_even_as_can_be(sizes: list[int], count: int, seed: int) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    rows = [candidate(i, label) for i, label in enumerate(labels)]
    held = []
    for number in range(count):
        splits = assign(rows, fold=Fold(number, count), seed=seed).splits
        held.append(Counter(label for label, split in zip(labels, splits, strict=True) if split == "test"))
    for label in range(len(sizes)):
        assert max(fold[label] for fold in held) - min(fold[label] for fold in held) <= 1
    assert max(fold.total() for fold in held) - min(fold.total() for fold in held) <= len(sizes)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=40, max_size=80), st.integers(2, 5), st.integers(0, 9))
def test_folds_of_patients_are_even_within_a_patient_or_two(sizes: list[int], count: int, seed: int) -> None:
    patients = [f"p{n}" for n, size in enumerate(sizes) for _ in range(size)]
    rows = [candidate(i, int(who[1:]) % 2, patient=who) for i, who in enumerate(patients)]
    held = [Counter(assign(rows, fold=Fold(k, count), seed=seed).splits)["test"] for k in range(count)]
    assert max(held) - min(held) <= 2 * max(sizes)


def test_patients_of_many_images_come_close_to_the_shares() -> None:
    rng = np.random.default_rng(0)
    patients = [f"p{n}" for n in range(100) for _ in range(int(rng.integers(1, 9)))]
    rows = [candidate(i, int(p[1:]) % 2, patient=p) for i, p in enumerate(patients)]
    counts = Counter(assign(rows).splits)
    assert counts["test"] / len(rows) == pytest.approx(0.2, abs=0.03)
    assert counts["validation"] / len(rows) == pytest.approx(0.08, abs=0.03)


def test_a_label_of_three_patients_is_in_every_split_though_their_images_are_many() -> None:
    rows = [candidate(i, 0) for i in range(60)]
    rows += [candidate(100 + 20 * who + i, 1, patient=f"p{who}") for who in range(3) for i in range(20)]
    assigned = assign(rows)
    assert {split for row, split in zip(rows, assigned.splits, strict=True) if row.labels == (1,)} == set(SPLITS)


def test_validation_comes_from_training_where_the_set_has_only_a_test() -> None:
    rows = [candidate(i, i % 2, split="train" if i < 80 else "test") for i in range(100)]
    assigned = assign(rows)
    assert assigned.splits[80:] == ("test",) * 20
    assert Counter(assigned.splits[:80]) == {"train": 72, "validation": 8}
    assert assigned.origin == (
        "the set's own; validation: 0.1 of its training images; images drawn at random within strata of labels, from "
        "the seed"
    )


def test_a_leak_is_an_error_that_counts_and_names_three() -> None:
    rows = [candidate(i, content=f"c{i % 5}", split="train" if i < 5 else "test") for i in range(10)]
    with pytest.raises(
        LeakageError, match=r"5 images leak .*0\.png \(same image as 5\.png in test\).*2\.png.*, \.\.\."
    ):
        assign(rows, on_leak="error")


def test_a_leaking_patient_points_to_the_scope() -> None:
    rows = [candidate(0, split="train", patient="p"), candidate(1, split="test", patient="p")]
    with pytest.raises(LeakageError, match=r"1 image leaks .*same patient as 1\.png .*data\.patient_scope=split"):
        assign(rows, on_leak="error")


def test_dropping_takes_the_training_side_and_validation_before_test() -> None:
    rows = [
        candidate(0, content="a", split="train"),
        candidate(1, content="a", split="validation"),
        candidate(2, content="b", split="validation"),
        candidate(3, content="b", split="test"),
        candidate(4, split="train", patient="p"),
        candidate(5, split="test", patient="p"),
        candidate(6, split="train"),
    ]
    assigned = assign(rows)
    assert assigned.splits == (None, "validation", None, "test", None, "test", "train")
    assert assigned.notes == (
        "1 training image also in validation or test was dropped",
        "1 training image whose patient is also in validation or test was dropped",
        "1 validation image also in test was dropped",
    )


def test_a_set_without_training_images_is_refused() -> None:
    with pytest.raises(DataError, match="names test images but none for training"):
        assign([candidate(0, split="test")])


def test_a_class_missing_from_a_given_or_made_split_is_named() -> None:
    with pytest.raises(DataError, match=r"class 'b' has no usable image in the test split \(1 in train, 0 in valid"):
        check_classes(["a", "b"], [(0,), (0,), (1,)], ["train", "test", "train"], ["train", "test"], {"train", "test"})
    with pytest.raises(DataError, match="class 'a' is too small to be split, no image is left for test"):
        check_classes(["a"], [(0,)], ["train"], ["train", "test"], {None})
