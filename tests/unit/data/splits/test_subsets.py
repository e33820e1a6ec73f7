"""Subsets of the training split: whole patients, each label in proportion, small ones inside large ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.data.manifest import Manifest, Study
from gan_aug.data.splits.subsets import Subset, take_subset


def manifest_of(rows: list[tuple[int, int | None, str]]) -> Manifest:
    """A manifest of rows (label, patient, split)."""
    studies = tuple(
        Study(f"c{i}", (label,), split, None if who is None else f"{split}{who}", "")  # type: ignore[arg-type]
        for i, (label, who, split) in enumerate(rows)
    )
    return Manifest("set", ("a", "b", "c"), "multi-class", (1, 8, 8), studies)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(st.none(), st.integers(0, 9)),
        st.sampled_from(["train", "train", "train", "validation", "test"]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(ROWS, st.integers(0, 3), st.integers(0, 3))
def test_subsets_are_whole_patients_and_lie_inside_one_another(
    rows: list[tuple[int, int | None, str]], seed: int, draw: int
) -> None:
    whole = manifest_of(rows)
    train = set(whole.indices("train").tolist())
    before: set[int] = set()
    for size in range(1, len(train) + 1):
        part = take_subset(whole, Subset(size, draw), seed)
        chosen = set(part.indices("train").tolist())
        assert before <= chosen <= train
        assert len(chosen) <= size
        patients = {whole.studies[i].patient for i in chosen} - {None}
        assert {i for i in train if whole.studies[i].patient in patients} <= chosen
        for split in ("validation", "test"):
            assert part.indices(split).tolist() == whole.indices(split).tolist()  # type: ignore[arg-type]
        before = chosen
    assert before == train


@settings(max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=3), st.integers(0, 3), st.data())
def test_single_images_come_in_proportion_and_no_class_is_left_out(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    rows: list[tuple[int, int | None, str]] = [(k, None, "train") for k, n in enumerate(counts) for _ in range(n)]
    size = data.draw(st.integers(3, len(rows)))
    part = take_subset(manifest_of(rows), Subset(size, 0), seed)
    found = np.array(list(part.counts()["train"].values()))
    assert found.sum() == size
    assert found.min() >= 1
    assert np.abs(found - size * np.array(counts) / len(rows)).max() <= 3


def test_draws_differ_and_each_has_a_fingerprint_of_its_own() -> None:
    whole = manifest_of([(i % 3, None, "train") for i in range(90)] + [(i % 3, None, "test") for i in range(9)])
    first, other, again = (take_subset(whole, Subset(30, draw), 0) for draw in (0, 1, 0))
    assert first.fingerprint == again.fingerprint
    assert len({whole.fingerprint, first.fingerprint, other.fingerprint}) == 3
    assert take_subset(whole, Subset(30, 0), 1).fingerprint != first.fingerprint
    assert Subset(50, 1).name == "00050-1"


def test_several_labels_at_once_are_all_there_early() -> None:
    rng = np.random.default_rng(0)
    labels = [tuple(k for k in range(3) if rng.random() < (0.5, 0.3, 0.03)[k]) for _ in range(300)]
    whole = manifest_of([(0, i // 2, "train") for i in range(300)])
    studies = tuple(dataclasses.replace(s, labels=own) for s, own in zip(whole.studies, labels, strict=True))
    part = take_subset(dataclasses.replace(whole, task="multi-label", studies=studies), Subset(60, 0), 0)
    counts = part.counts()["train"]
    assert counts["c"] >= 1
    assert abs(counts["a"] / 60 - 0.5) < 0.2


@pytest.mark.parametrize("size", [1, 2])
def test_a_patient_with_more_images_than_asked_for_is_left_out(size: int) -> None:
    part = take_subset(manifest_of([(0, 1, "train")] * 3), Subset(size, 0), 0)
    assert len(part.indices("train")) == 0
