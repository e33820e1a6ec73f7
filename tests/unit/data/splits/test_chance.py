"""Splits by chance: over seeds a patient's chance of a split is its share, whatever its size, and labels come evenly.

Where frequencies over SEEDS seeds are held against a chance p, they may differ by 4.5 standard errors
sqrt(p (1 - p) / SEEDS), which chance exceeds once in 150,000 times.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.data.manifest import Split
from gan_aug.data.splits import stratify
from gan_aug.data.splits.assign import Candidate, Fold, assign_splits

SEEDS = 400
SHARES: dict[Split, float] = {"train": 0.72, "test": 0.2, "validation": 0.08}

Labels = tuple[int, ...]


def images(sizes: Sequence[int], labels: Sequence[Labels]) -> list[Candidate]:
    """The images of patients with so many images and these labels, in mixed order."""
    rows = [
        Candidate(f"c{patient}-{i}", of_patient, f"p{patient}", None, "image")
        for patient, (size, of_patient) in enumerate(zip(sizes, labels, strict=True))
        for i in range(size)
    ]
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def drawn(rows: list[Candidate], seed: int, fold: Fold | None = None) -> list[Split]:
    """The split of each patient."""
    splits = assign_splits(rows, validation=0.1, test=0.2, on_leak="drop", seed=seed, fold=fold).splits
    found = {row.patient: split for row, split in zip(rows, splits, strict=True)}
    return [split for number in range(len(found)) if (split := found[f"p{number}"])]


def assert_by_chance(seen: Any, share: float, number: int = SEEDS) -> None:
    """Hold frequencies over `number` draws, one for each patient, against the chance `share`."""
    error = math.sqrt(share * (1 - share) / number)
    assert np.abs(np.asarray(seen) / number - share).max() <= 4.5 * error


def issue_like(rng: Any) -> tuple[list[int], list[Labels]]:
    """Mostly single images, and some patients with more."""
    sizes = [1] * 30 + [2] * 10 + [3] * 3 + [9] * 2
    return sizes, [(int(rng.random() < 0.3),) for _ in sizes]


def all_sizes_differ(_: Any) -> tuple[list[int], list[Labels]]:
    return [*range(1, 31)], [(number % 2,) for number in range(30)]


def several_labels(rng: Any) -> tuple[list[int], list[Labels]]:
    """Sixteen combinations of four labels, most of them rare."""
    sizes = [int(size) for size in rng.geometric(0.4, 60)]
    return sizes, [tuple(np.flatnonzero(rng.random(4) < [0.5, 0.3, 0.3, 0.3]).tolist()) for _ in sizes]


@pytest.mark.parametrize("patients", [issue_like, all_sizes_differ, several_labels])
def test_each_patients_chance_of_a_split_is_its_share_whatever_its_size(patients: Callable[[Any], Any]) -> None:
    sizes, labels = patients(np.random.default_rng(1))
    rows = images(sizes, labels)
    splits = np.array([drawn(rows, seed) for seed in range(SEEDS)])
    several = np.array(sizes) > np.median(sizes)
    for split, share in SHARES.items():
        seen = (splits == split).sum(axis=0)
        assert_by_chance(seen, share)
        for some in (several, ~several):
            assert abs(seen[some].mean() / SEEDS - share) < 0.01
        # Images come in the same share as patients: every image's chance is that of its patient.
        held = np.array([np.array(sizes)[of_seed == split].sum() for of_seed in splits]) / sum(sizes)
        assert held.mean() == pytest.approx(share, abs=0.01)
        assert held.std() < 0.08


def test_each_patients_chance_of_a_folds_test_and_validation_is_its_share() -> None:
    sizes, labels = issue_like(np.random.default_rng(2))
    rows = images(sizes, labels)
    splits = np.array([[drawn(rows, seed, Fold(number, 3)) for number in range(3)] for seed in range(SEEDS // 2)])
    assert (splits == "test").sum(axis=1).tolist() == [[1] * len(sizes)] * (SEEDS // 2)  # each is tested once
    for number in range(3):
        assert_by_chance((splits[:, number] == "test").sum(axis=0), 1 / 3, SEEDS // 2)
        assert_by_chance((splits[:, number] == "validation").sum(axis=0), 2 / 3 * 0.1, SEEDS // 2)


def test_validation_out_of_given_training_images_is_by_chance_too() -> None:
    sizes = [1, 2, 5, 9] * 15
    rows = images(sizes, [(number % 2,) for number in range(60)])
    rows = [*rows, *(Candidate(f"t{i}", (i % 2,), f"t{i}", "test", "image") for i in range(20))]
    rows = [Candidate(r.content, r.labels, r.patient, r.split or "train", r.origin) for r in rows]
    seen = np.zeros(60)
    for seed in range(SEEDS):
        splits = assign_splits(rows, validation=0.1, test=0.2, on_leak="drop", seed=seed).splits
        held = {row.patient for row, split in zip(rows, splits, strict=True) if split == "validation"}
        seen += [f"p{number}" in held for number in range(60)]
    assert_by_chance(seen, 0.1)


def test_labels_of_one_or_two_patients_do_not_always_go_to_training() -> None:
    sizes, labels = [3, 1, 7, 2, 2], [(0,), (1,), (1,), (2,), (3,)]
    rows = images([*sizes, *[1] * 15], [*labels, *[(4,)] * 15])
    splits = np.array([drawn(rows, seed)[:5] for seed in range(2 * SEEDS)])
    for split, share in SHARES.items():
        assert_by_chance((splits == split).sum(axis=0), share, 2 * SEEDS)


def test_labels_of_few_patients_have_one_in_each_split_any_of_them_as_likely() -> None:
    rows = images([1, 2, 5, 20], [(0,)] * 4)
    splits = np.array([drawn(rows, seed) for seed in range(SEEDS)])
    assert {split: set((splits == split).sum(axis=1)) for split in SHARES} == {
        "train": {2},
        "test": {1},
        "validation": {1},
    }
    assert_by_chance((splits == "test").sum(axis=0), 0.25)
    assert_by_chance((splits == "validation").sum(axis=0), 0.25)
    assigned = assign_splits(rows, validation=0.1, test=0.2, on_leak="drop", seed=0)
    assert assigned.notes == ("labels of so few patients that each split made here got one, whatever its share: 1",)
    assert assigned.origin.endswith(
        "; patients drawn at random within strata of labels and images per patient, from the seed"
    )


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=13, max_size=40), min_size=1, max_size=3),
    st.floats(0.08, 0.4),
    st.floats(0.08, 0.4),
    st.integers(0, 9),
)
def test_every_label_has_its_share_of_patients_to_within_one_and_of_images_to_within_few(
    sizes: list[list[int]], test: float, validation: float, seed: int
) -> None:
    shares: dict[Split, float] = {"train": 1 - test - validation, "test": test, "validation": validation}
    groups, labels = [], []
    for label, of_label in enumerate(sizes):
        for size in of_label:
            groups.append([*range(len(labels), len(labels) + size)])
            labels += [(label,)] * size
    found = stratify.divide(groups, labels, shares, np.random.default_rng(seed))
    assert len(found) == len(labels)
    for label, of_label in enumerate(sizes):
        patients = [group for group in groups if labels[group[0]] == (label,)]
        for split, share in shares.items():
            held = [len(group) for group in patients if found[group[0]] == split]
            assert math.floor(share * len(patients)) <= len(held) <= math.ceil(share * len(patients))
            # Blocks of up to 13 patients of like size: in each a split has too much or too little by a few patients.
            assert abs(sum(held) - share * sum(of_label)) <= 5 * max(of_label)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 6).map(lambda n: n + 1), min_size=30, max_size=80), st.integers(2, 9), st.integers(0, 9))
def test_each_fold_has_its_share_of_each_labels_patients_to_within_one(sizes: list[int], count: int, seed: int) -> None:
    ends = np.cumsum([0, *sizes])
    groups = [[*range(begin, end)] for begin, end in pairwise(ends)]
    labels: list[Labels] = [(number % 2,) for number, size in enumerate(sizes) for _ in range(size)]
    folds = stratify.divide_into_folds(groups, labels, count, np.random.default_rng(seed))
    for label in (0, 1):
        held = Counter(fold for number, fold in enumerate(folds) if number % 2 == label)
        counts = [held[fold] for fold in range(count)]
        assert max(counts) - min(counts) <= 1


def test_labels_of_several_at_once_are_more_even_than_by_plain_chance() -> None:
    rng = np.random.default_rng(3)
    labels: list[Labels] = [
        tuple(np.flatnonzero(rng.random(8) < [0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05]).tolist()) for _ in range(300)
    ]
    groups = [[i] for i in range(300)]
    tested = []
    for seed in range(100):
        found = stratify.divide(groups, labels, SHARES, np.random.default_rng(seed))
        tested.append([sum(label in labels[i] for i in range(300) if found[i] == "test") for label in range(8)])
    for label, spread in enumerate(np.std(tested, axis=0)):
        number = sum(label in of_image for of_image in labels)
        assert spread < 0.75 * math.sqrt(number * 0.2 * 0.8)


def test_the_rule_of_earlier_versions_gives_their_splits_again() -> None:
    rng = np.random.default_rng(3)
    sizes = [int(rng.integers(1, 5)) for _ in range(30)]
    rows = [Candidate(f"{p}-{k}", (p % 3,), f"p{p}", None, "x") for p, size in enumerate(sizes) for k in range(size)]

    def initials(**changes: Any) -> str:
        found = assign_splits(rows, validation=0.1, test=0.2, on_leak="drop", seed=4, rule="largest-first", **changes)
        first = {row.patient: split for row, split in zip(rows, found.splits, strict=True)}
        return "".join(str(split)[1] for split in first.values())

    assert initials() == "reaeerrraarerererraarrrrererar"
    assert initials(fold=Fold(1, 4)) == "ereaarrrrerereaeerarrrrrrrerar"
