"""The power of the headline's rule: what one comparison has, less with more opponents, and as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gan_aug.evaluation.statistics.auc import auc_influence
from gan_aug.evaluation.statistics.detectable import detectable_gain
from gan_aug.evaluation.statistics.power import Study
from gan_aug.evaluation.statistics.uncertainty import Influence

LABELS = np.arange(200) % 2 == 1
PATIENTS = np.arange(200)


def arms(seed: int, count: int, seeds: int = 8, level: float = 0.8) -> list[list[Influence]]:
    """AUCs of arms that are equally good; most of the patients' noise is theirs together."""
    rng = np.random.default_rng(seed)
    shared, separation = rng.normal(size=200), math.sqrt(2) * stats.norm.ppf(level)
    return [
        [
            auc_influence(
                LABELS,
                (separation + 0.1 * rng.normal()) * LABELS + 0.8 * shared + 0.6 * own + 0.3 * rng.normal(size=200),
            )
            for _ in range(seeds)
        ]
        for own in rng.normal(size=(count, 200))
    ]


def test_with_one_opponent_it_is_what_a_comparison_finds() -> None:
    ratios = []
    for seed in range(6):
        pair = arms(seed, 2)
        alone = detectable_gain(pair[0], pair[1], PATIENTS, 100)
        found = Study.of(pair, PATIENTS, 100, ()).smallest_gain()
        assert alone is not None
        assert found is not None
        ratios.append(found / alone)
    assert np.mean(ratios) == pytest.approx(1, abs=0.06)


def test_more_opponents_and_more_comparisons_beside_ask_for_a_larger_gain() -> None:
    four = arms(1, 4)
    gains = [
        Study.of(four[:2], PATIENTS, 100, ()).smallest_gain(),
        Study.of(four, PATIENTS, 100, ()).smallest_gain(),
        Study.of(four, PATIENTS, 100, (), [0.3, 0.6, 0.9]).smallest_gain(),
    ]
    assert None not in gains
    assert gains == sorted(gains, key=float)
    assert gains[2] > 1.1 * gains[0]


def test_an_arm_that_is_as_good_is_seldom_better_and_no_worse_as_the_margin_allows() -> None:
    study = Study.of(arms(2, 2), PATIENTS, 100, range(8))
    assert study.better(0.0) < 0.06
    assert study.no_worse_if_equal(0.3) == 1
    assert study.no_worse_if_equal(1e-6) < 0.06


def test_where_nothing_varied_it_is_the_exact_bound_or_none() -> None:
    flat = [[Influence(0.7, np.zeros(200))] * 3] * 3
    assert Study.of(flat, PATIENTS, 100, ()).smallest_gain() == pytest.approx(1 - 0.05 ** (1 / 100))
    perfect = [[Influence(1.0, np.zeros(200))] * 3] * 3
    assert Study.of(perfect, PATIENTS, 100, ()).smallest_gain() is None
