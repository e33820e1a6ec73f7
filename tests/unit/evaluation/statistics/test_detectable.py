"""The detectable gain: what is left where AUCs are moderate, more near 1, and none that goes beyond."""

import math

import numpy as np
import pytest
from scipy import stats

from gan_aug.evaluation.statistics.auc import auc_influence
from gan_aug.evaluation.statistics.detectable import detectable_gain, placement_variance, power_factor
from gan_aug.evaluation.statistics.uncertainty import Influence, difference, mean_over_seeds

LABELS = np.arange(200) % 2 == 1
PATIENTS = np.arange(200)


def two_arms(rng, level, seeds=1, spread=0.0):
    """AUCs of two arms alike: the patients' noise is theirs together but for a third of its variance."""
    separation, shared = math.sqrt(2) * stats.norm.ppf(level), rng.normal(size=200)

    def trained(shift):
        own = rng.normal(size=200)
        return auc_influence(LABELS, (separation + shift) * LABELS + (math.sqrt(2) * shared + own) / math.sqrt(3))

    return [[trained(shift) for shift in spread * rng.normal(size=seeds)] for _ in range(2)]


def at_the_null(arm, reference):
    """What the difference's own standard error says."""
    apart = [difference(a, r) for a, r in zip(arm, reference, strict=True)]
    estimate = mean_over_seeds(apart, PATIENTS, 100, "identity")
    return power_factor(estimate.df) * estimate.se


def test_the_power_factor_is_found_four_times_in_five():
    for df in (3, 4, 8, 50):
        # What is reported is an average over studies whose standard errors are chi distributed about the true 0.01.
        errors = 0.01 * np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, df) / df)
        reported = [power_factor(df) * se for se in errors]
        found = stats.nct.sf(stats.t.ppf(0.975, df), df, np.mean(reported) / 0.01)
        assert found == pytest.approx(0.8, abs=0.02)


def test_the_placement_variance_is_the_binormal_models():
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    for auc in (0.2, 0.5, 0.82, 0.94, 0.99):
        placed = stats.norm.cdf(math.sqrt(2) * stats.norm.ppf(auc) + points)
        assert weights @ placed == pytest.approx(auc, abs=1e-6)
        assert placement_variance(auc) == pytest.approx(weights @ (placed - auc) ** 2, rel=1e-4)
    assert placement_variance(0.5) == pytest.approx(1 / 12)
    assert placement_variance(1.0) == placement_variance(0.0) == 0.0


def test_it_is_near_what_the_standard_error_says_and_ends_below_1():
    for level, low, high in ((0.75, 0.85, 1.25), (0.94, 0.7, 1.1)):
        rng, ratios = np.random.default_rng(0), []
        for _ in range(20):
            arm, reference = two_arms(rng, level, seeds=5, spread=0.1)
            gain = detectable_gain(arm, reference, PATIENTS, 100)
            assert gain is not None
            assert gain < 1 - np.mean([seed.value for seed in reference])
            ratios.append(gain / at_the_null(arm, reference))
        assert low < np.mean(ratios) < high


def test_no_gain_is_named_that_would_end_above_1():
    arm, reference = two_arms(np.random.default_rng(1), 0.985, seeds=2, spread=0.8)
    assert at_the_null(arm, reference) > 0.02
    assert detectable_gain(arm, reference, PATIENTS, 100) is None


def test_where_nothing_varied_it_is_the_exact_bound_or_none():
    flat = [Influence(0.7, np.zeros(200))] * 2
    assert detectable_gain(flat, flat, PATIENTS, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    perfect = [Influence(1.0, np.zeros(200))] * 2
    assert detectable_gain(perfect, perfect, PATIENTS, 100) is None


def test_an_arm_much_worse_than_its_reference_is_taken_to_where_the_gain_would_be():
    rng = np.random.default_rng(2)
    reference = two_arms(rng, 0.94)[1]
    separation = math.sqrt(2) * stats.norm.ppf(0.6)
    poor = [auc_influence(LABELS, separation * LABELS + rng.normal(size=200))]
    gain = detectable_gain(poor, reference, PATIENTS, 100)
    assert gain is None or gain < at_the_null(poor, reference)
