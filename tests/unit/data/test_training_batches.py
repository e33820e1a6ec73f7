from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.data.training_batches import TrainingBatches


def loader(count: int, seed: int = 0, balance: str = "data", classes: int = 3) -> TrainingBatches:
    images = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    owners = np.minimum(np.arange(count) // 2, classes - 1)  # two of each class, the rest of the last
    labels = np.eye(classes, dtype=np.float32)[owners]
    return TrainingBatches(images, labels, np.arange(count), seed=seed, balance=balance)  # type: ignore[arg-type]


def seen(batches: TrainingBatches, first: int, count: int) -> list[int]:
    return batches(first, count)[0].flatten().tolist()


@given(count=st.integers(1, 40), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_every_pass_sees_every_image_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(seen(loader(count, seed), epoch * count, count)) == list(range(count))


@given(count=st.integers(1, 40), cut=st.integers(1, 60), balance=st.sampled_from(["data", "classes"]))
def test_it_starts_at_any_image(count: int, cut: int, balance: str) -> None:
    whole = seen(loader(count, balance=balance), 0, 64)
    assert seen(loader(count, balance=balance), 0, cut) + seen(loader(count, balance=balance), cut, 64 - cut) == whole


def test_passes_differ_and_seeds_differ() -> None:
    batches = loader(30)
    assert seen(batches, 0, 30) != seen(batches, 30, 30)
    assert seen(batches, 0, 30) != seen(loader(30, seed=1), 0, 30)


def test_balanced_classes_take_turns() -> None:
    _, labels = loader(30, balance="classes")(0, 60)
    assert labels.sum(dim=0).tolist() == [20, 20, 20]
    _, labels = loader(30)(0, 60)
    assert labels.sum(dim=0).tolist() == [4, 4, 52]


def test_only_its_rows_are_used() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = TrainingBatches(images, np.ones((10, 1), dtype=np.float32), np.array([2, 5]), seed=0)
    assert set(seen(batches, 0, 20)) == {2, 5}
