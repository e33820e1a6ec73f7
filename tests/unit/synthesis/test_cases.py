"""The search for cases, with classifiers that are functions of the latent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.errors import DataError
from gan_aug.synthesis.cases import PORTION, ROUNDS, SECTIONS, CaseSearch, WantedCase
from gan_aug.synthesis.latents import Latent, noise_of, weights_of

Called = Callable[[np.ndarray, np.ndarray], np.ndarray]
WANTED = WantedCase(Latent((0.0, 1.0), 7, 100), ("normal", "ill"), "ill", 0.55, 0.05, 3, 150, multi_label=False)


def squash(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(value, -500, 500)))


def searched(wanted: WantedCase, called: Called) -> tuple[CaseSearch, list[float]]:
    """The search at its end, and what its cases are called."""

    def probabilities(points: Sequence[Latent]) -> np.ndarray:
        ill = called(noise_of(points, 8).astype(float), weights_of(points).astype(float))
        return np.stack([1 - ill, ill], axis=1)

    search = CaseSearch(wanted)
    while search.points:
        search.tell(probabilities(search.points))
    of = wanted.column
    return search, probabilities(search.cases)[:, of].tolist() if search.cases else []


def by_noise(noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return squash(2 * noise[:, 0])


def steep(noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Hardly an image is called anything but 0 or 1."""
    return squash(3000 * noise[:, 0])


def sure(noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Every ill image is called ill for certain, every normal one normal."""
    return squash(60 * (weights[:, 1] - 0.5) + noise[:, 0])


@pytest.mark.parametrize("called", [by_noise, steep, sure])
@pytest.mark.parametrize("confidence", [0.1, 0.55, 0.9])
def test_cases_are_called_as_wished_and_differ_in_noise(called: Called, confidence: float) -> None:
    wanted = replace(WANTED, confidence=confidence, tolerance=0.02, count=6, images=400)
    search, found = searched(wanted, called)
    assert len(found) == 6
    assert all(abs(value - confidence) <= 0.02 for value in found)
    noise = [{(case.seed, case.number), case.toward} - {None} for case in search.cases]
    assert sum(map(len, noise)) == len(set.union(*noise)), "no two cases share an image"
    if called is by_noise:
        assert all(case.is_sample for case in search.cases)
        assert search.made <= 400
    if called is steep:
        assert all(case.toward and case.weights == (0.0, 1.0) for case in search.cases)
    if called is sure:
        assert all(case.toward is None and 0 < case.weights[1] < 1 for case in search.cases)


def test_on_the_way_from_named_labels_the_noise_stays_and_the_first_images_come_first() -> None:
    search, found = searched(replace(WANTED, start=(1.0, 0.0)), sure)
    assert [case.number for case in search.cases] == [100, 101, 102]
    assert all(case.toward is None and case.weights[0] > 0 for case in search.cases)
    assert all(abs(value - 0.55) <= 0.05 for value in found)


@settings(max_examples=40)
@given(
    confidence=st.floats(0.01, 0.99),
    tolerance=st.floats(0.001, 0.2),
    count=st.integers(1, 9),
    images=st.integers(1, 200),
    slope=st.floats(0, 1e5),
    shift=st.floats(-20, 20),
)
def test_a_search_ends_within_its_bounds_and_never_gives_what_is_no_case(
    confidence: float, tolerance: float, count: int, images: int, slope: float, shift: float
) -> None:
    wanted = replace(WANTED, confidence=confidence, tolerance=tolerance, count=count, images=images)
    search, found = searched(wanted, lambda noise, weights: squash(slope * noise[:, 1] + shift))
    assert len(found) <= count
    assert all(abs(value - confidence) <= tolerance for value in found)
    refined = ROUNDS * (SECTIONS - 1) * count
    assert search.made <= 2 * images + refined * (1 + -(-images // PORTION))


def test_where_the_classifier_jumps_there_is_no_case_and_it_says_what_it_was_told() -> None:
    search, found = searched(WANTED, lambda noise, weights: (noise[:, 0] > 0).astype(float))
    assert found == []
    with pytest.raises(
        DataError, match=r"no image was called 'ill' with 0.55 ± 0.05: the classifier gave 0.000 to 1.000"
    ):
        search.check_found()


def test_which_other_labels_a_way_comes_from() -> None:
    """The one that the classifier confuses them with; of several at once, those with or without the one in question."""
    labels = ("a", "b", "c")

    def confused(points: Sequence[Latent]) -> np.ndarray:
        weights = weights_of(points).astype(float)
        return np.stack([0.1 * weights[:, 1], 0.7 * weights[:, 1], 0.2 * weights[:, 1] + weights[:, 2]], axis=1)

    wanted = replace(WANTED, first=Latent((0.0, 1.0, 0.0), 0), labels=labels, of="b", confidence=0.3, tolerance=0.01)
    for task, first, of, starts in (
        (False, (0.0, 1.0, 0.0), "b", {2}),
        (False, (0.0, 1.0, 0.0), "c", {2}),
        (True, (1.0, 1.0, 0.0), "b", {0}),
        (True, (0.0, 1.0, 0.0), "c", {1, 2}),
    ):
        search = CaseSearch(replace(wanted, first=Latent(first, 0), of=of, multi_label=task))
        asked = []
        while search.points:
            asked += search.points
            search.tell(confused(search.points))
        ends = {point.weights for point in asked if point.is_sample} - {first}
        assert ends == {tuple(float(k in starts) for k in range(3))}
        assert len(search.cases) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"of": "sick"}, "no label 'sick'"),
        ({"confidence": 1.0}, "confidence 1.0"),
        ({"confidence": float("nan")}, "confidence nan"),
        ({"tolerance": 0.0}, "tolerance 0.0"),
        ({"tolerance": float("nan")}, "tolerance nan"),
        ({"count": 0}, "0 cases"),
        ({"count": 257}, "ask for 1 to 256"),
        ({"images": 0}, "among 0 images"),
        ({"start": (0.0, 1.0)}, "to the same ones"),
    ],
)
def test_what_cannot_be_looked_for_is_told(changes: dict, says: str) -> None:
    with pytest.raises(DataError, match=says):
        replace(WANTED, **changes)
