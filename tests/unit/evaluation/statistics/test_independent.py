"""The difference of figures of different patients: its interval has its level, and its side, whatever the AUC is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_aug.evaluation.statistics.comparison import estimate_auc, independent_difference
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Estimate


def figure(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, 0.01, math.inf, (low, high), ("patients",), 100)


def test_the_interval_is_made_of_both() -> None:
    apart, (low, high) = independent_difference(figure(0.90, 0.86, 0.93), figure(0.95, 0.91, 0.97))
    assert apart == pytest.approx(-0.05)
    assert (low, high) == pytest.approx((-0.05 - math.hypot(0.04, 0.02), -0.05 + math.hypot(0.03, 0.04)))
    # With symmetric intervals it is the plain one: 1.96 times the root of the sum of both variances.
    _, (low, high) = independent_difference(figure(0.5, 0.47, 0.53), figure(0.5, 0.46, 0.54))
    assert (low, high) == pytest.approx((-0.05, 0.05))


@pytest.mark.parametrize(("area", "positives"), [(0.9, 40), (0.99, 40)])
def test_two_samples_of_one_distribution_rarely_differ(area: float, positives: int) -> None:
    rng, alarms = np.random.default_rng(0), 0
    shift = {0.9: 1.8124, 0.99: 3.2899}[area]  # of two normal distributions with this area
    for _ in range(200):
        both = []
        for number in (positives, 3 * positives):
            sick = np.arange(2 * number) < number
            scores = rng.normal(size=2 * number) + shift * sick
            truth = GroundTruth(
                np.stack([~sick, sick], 1), ("normal", "sick"), False, 1, np.arange(2 * number, dtype=np.int64)
            )
            both.append(estimate_auc(truth, [np.stack([-scores, scores], 1)]))
        _, (low, high) = independent_difference(*both)
        alarms += low > 0 or high < 0
    assert alarms <= 18  # 5 % of 200, and two and a half standard errors
