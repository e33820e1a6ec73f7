import math

import numpy as np
import pytest
from scipy import stats

from gan_aug.data.manifest import Manifest, Study
from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import auc, delong_test
from gan_aug.evaluation.statistics.comparison import (
    compare_arms,
    estimate_auc,
    estimate_difference,
    holm,
    holm_level,
    verdict,
)
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Estimate, crossed_estimate, mean_over_seeds


def binary_truth(labels, patients=None):
    labels = np.asarray(labels, dtype=bool)
    patients = np.arange(len(labels)) if patients is None else patients
    return GroundTruth(np.stack([~labels, labels], axis=1), ("well", "ill"), False, 1, patients)


def two_columns(scores):
    share = 1 / (1 + np.exp(-scores))
    return np.stack([1 - share, share], axis=1)


def draw(rng, truth, seeds=4, spread=0.0, effect=1.5, own=0.5):
    """Scores of `seeds` classifiers that share the patients' noise and differ in their seed's effect."""
    n = len(truth.labels)
    shared = rng.normal(size=n)
    effects = effect + spread * rng.normal(size=seeds)
    return [two_columns(shared + e * truth.labels[:, 1] + own * rng.normal(size=n)) for e in effects]


LABELS = np.repeat([True, False], [50, 70])
TRUTH = binary_truth(LABELS)


def test_seeds_that_agree_reduce_the_interval_to_delongs():
    scores = draw(np.random.default_rng(0), TRUTH, seeds=1)[0]
    alone = auc(LABELS, scores[:, 1])
    for seeds in (1, 3):
        estimate = estimate_auc(TRUTH, [scores] * seeds)
        assert estimate.ci95 == pytest.approx(alone.ci95, abs=1e-12)
        assert estimate.se == pytest.approx(alone.se, abs=1e-12)
        assert estimate.sources == (("patients",) if seeds == 1 else ("patients", "seeds"))


def test_one_seed_gives_the_paired_delong_test():
    first, second = draw(np.random.default_rng(1), TRUTH, seeds=2)
    (comparison,) = compare_arms(TRUTH, {"real": [first], "synthetic": [second]}, [("synthetic", "real")], 0.02)
    assert comparison.p == pytest.approx(delong_test(LABELS, second[:, 1], first[:, 1]), abs=1e-12)
    assert comparison.p == pytest.approx(comparison.p_delong, abs=1e-12)
    assert comparison.difference_delong == pytest.approx(comparison.difference, abs=1e-12)
    assert comparison.sources == ("patients",)


def test_delongs_test_stands_beside_the_difference_that_it_is_of():
    rng = np.random.default_rng(8)
    arms = {"real": draw(rng, TRUTH, spread=1.0), "mixed": draw(rng, TRUTH)}
    (comparison,) = compare_arms(TRUTH, arms, [("mixed", "real")], 0.02)
    mixed, real = (np.mean(arms[name], axis=0)[:, 1] for name in ("mixed", "real"))
    assert comparison.difference_delong == pytest.approx(auc(LABELS, mixed).value - auc(LABELS, real).value, abs=1e-12)
    assert comparison.difference_delong != pytest.approx(comparison.difference, abs=1e-4)
    assert comparison.p_delong == pytest.approx(delong_test(LABELS, mixed, real), abs=1e-12)


def test_the_value_is_the_mean_over_seeds_and_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(2)
    wide, narrow = draw(rng, TRUTH, spread=1.0), draw(rng, TRUTH)
    estimate = estimate_auc(TRUTH, wide)
    values = [auc(LABELS, scores[:, 1]).value for scores in wide]
    assert estimate.value == pytest.approx(np.mean(values), abs=1e-12)
    of_patients = mean_over_seeds([TRUTH.auc(s) for s in wide[:1]], TRUTH.patients, 50, "identity").se
    assert estimate.se > estimate_auc(TRUTH, narrow).se
    assert estimate.se**2 >= np.var(values, ddof=1) / 4
    assert 3 <= estimate.df < math.inf
    assert of_patients > 0


def test_the_variance_is_the_seeds_plus_the_covariance_between_them():
    values, within, between = np.array([0.80, 0.82, 0.84, 0.86]), 9e-4, 4e-4
    covariance = np.full((4, 4), between) + (within - between) * np.eye(4)
    estimate = crossed_estimate(values, covariance, 50, "identity")
    of_seeds = np.var(values, ddof=1) / 4
    assert estimate.se**2 == pytest.approx(of_seeds + between)
    assert estimate.df == pytest.approx(3 * (of_seeds + between) ** 2 / of_seeds**2)
    # Seeds whose values agree by chance, though they err on different patients, keep the patients' variance.
    agreeing = crossed_estimate(np.full(4, 0.8), covariance, 50, "identity")
    assert agreeing.se**2 == pytest.approx((within + 3 * between) / 4)


@pytest.mark.parametrize("apart", [0.001, 0.02, 0.2])
@pytest.mark.parametrize("count", [2, 3])
def test_few_seeds_take_the_weighted_mean_of_both_quantiles(count, apart):
    """Cochran's; Satterthwaite's df would grow without bound just where the seeds agree by chance."""
    values, shared = np.array([0.80, 0.80 + apart, 0.80])[:count], 4e-4
    estimate = crossed_estimate(values, np.full((count, count), shared) + 5e-4 * np.eye(count), 50, "identity")
    of_seeds = np.var(values, ddof=1) / count
    assert estimate.se**2 == pytest.approx(of_seeds + shared)
    quantile = (of_seeds * stats.t.ppf(0.975, count - 1) + shared * stats.norm.ppf(0.975)) / (of_seeds + shared)
    assert estimate.ci95[0] == pytest.approx(max(-1.0, estimate.value - quantile * estimate.se))
    assert stats.t.ppf(0.975, estimate.df) == pytest.approx(quantile)


def test_images_of_one_patient_count_once():
    scores = draw(np.random.default_rng(3), TRUTH, seeds=2)
    twice = binary_truth(np.repeat(LABELS, 2), np.repeat(np.arange(len(LABELS)), 2))
    doubled = estimate_auc(twice, [np.repeat(s, 2, axis=0) for s in scores])
    assert doubled.se == pytest.approx(estimate_auc(TRUTH, scores).se, rel=0.02)
    assert twice.pairs == TRUTH.pairs


def test_the_paired_delong_test_beside_it_counts_every_image():
    rng = np.random.default_rng(8)
    twice = binary_truth(np.repeat(LABELS, 2), np.repeat(np.arange(len(LABELS)), 2))
    first, second = draw(rng, twice, seeds=2)
    (comparison,) = compare_arms(twice, {"real": [first], "synthetic": [second]}, [("synthetic", "real")], 0.02)
    plain = delong_test(twice.labels[:, 1], second[:, 1], first[:, 1])
    assert comparison.p_delong == pytest.approx(plain, abs=1e-12)
    assert comparison.p != pytest.approx(plain, abs=1e-6)


def test_the_difference_changes_sign_with_its_arms():
    rng = np.random.default_rng(4)
    first, second = draw(rng, TRUTH), draw(rng, TRUTH, effect=1.0)
    there, back = estimate_difference(TRUTH, first, second), estimate_difference(TRUTH, second, first)
    assert there.value == -back.value
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))


def test_two_perfect_arms_differ_by_at_most_the_exact_bound():
    perfect = two_columns(np.where(LABELS, 3.0, -3.0))
    pairs = [("synthetic", "real")]
    (comparison,) = compare_arms(TRUTH, {"real": [perfect] * 2, "synthetic": [perfect] * 2}, pairs, 0.1)
    half = 1 - 0.05 ** (1 / 50)
    assert comparison.ci95 == pytest.approx((-half, half))
    assert (comparison.p, comparison.p_delong, comparison.verdict) == (1.0, 1.0, "non-inferior")
    assert comparison.smallest_detectable is None
    worst = two_columns(np.where(LABELS, -3.0, 3.0))
    (comparison,) = compare_arms(TRUTH, {"real": [perfect] * 2, "synthetic": [worst] * 2}, pairs, 0.1)
    assert (comparison.p, comparison.verdict) == (0.0, "inferior")


def test_an_arm_that_lacks_a_seed_is_a_fault():
    scores = draw(np.random.default_rng(5), TRUTH)
    with pytest.raises(DataError, match="one arm has 3 seeds and the other 4"):
        estimate_difference(TRUTH, scores[:3], scores)


def test_holm_adjusts_step_by_step():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("value", "se", "p", "expected"),
    [
        (0.05, 0.01, 0.001, "improves"),
        (0.03, 0.01, 0.06, "non-inferior"),
        (-0.005, 0.001, 0.001, "non-inferior"),
        (-0.1, 0.01, 0.001, "inferior"),
        (-0.01, 0.02, 0.6, "inconclusive"),
    ],
)
def test_verdicts(value, se, p, expected):
    ci95 = (value - 1.96 * se, value + 1.96 * se)
    assert verdict(Estimate(value, se, math.inf, ci95, ("patients",), 50), p, 0.02) == expected


@pytest.mark.parametrize("spread", [0.0, 0.15, 0.4])
def test_intervals_cover_the_truth_whichever_source_dominates(spread):
    """400 trials of 5 seeds and 120 patients each: at 95 % the share has a standard deviation of 1.1 points."""
    rng = np.random.default_rng(6)
    effects = np.random.default_rng(7).normal(1.5, spread, 20_000)
    expected = stats.norm.cdf(effects / math.sqrt(2 * 1.25)).mean()
    covered = differences = 0
    for _ in range(400):
        scores, others = draw(rng, TRUTH, 5, spread), draw(rng, TRUTH, 5, spread)
        low, high = estimate_auc(TRUTH, scores).ci95
        covered += low <= expected <= high
        low, high = estimate_difference(TRUTH, scores, others).ci95
        differences += low <= 0 <= high
    assert 0.925 <= covered / 400 <= 0.985
    assert 0.925 <= differences / 400 <= 0.985


def test_the_truth_follows_the_manifest_and_refuses_scores_of_another_shape():
    studies = tuple(Study(f"c{i}", (i % 2,), "test", f"p{i // 2}" if i < 6 else None, "o") for i in range(8))
    manifest = Manifest("set", ("ill", "well"), "multi-class", (1, 2, 2), studies, positive="ill")
    truth = GroundTruth.of(manifest, "test")
    assert truth.positive == 0
    assert truth.patient_count == 5
    np.testing.assert_array_equal(truth.target_labels[:, 0], [True, False] * 4)
    with pytest.raises(DataError, match=r"shape \(8, 3\)"):
        truth.auc(np.zeros((8, 3)))


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_seeds_that_agree_exactly_have_no_variance_whatever_the_rounding(count):
    for value in (1.0, 0.0, 0.1, 1 / 3):
        estimate = crossed_estimate(np.full(count, value), np.zeros((count, count)), 50, "wilson", range(count))
        assert estimate.se == 0


def test_seeds_of_one_gan_are_averaged_first():
    rng = np.random.default_rng(3)
    values, root = rng.normal(0.8, 0.02, 6), rng.normal(size=(6, 40)) * 0.003
    gans = [0, 1, 2, 0, 1, 2]
    averaging = np.array([[gan == one for gan in gans] for one in range(3)]) / 2
    clusters = crossed_estimate(values, root @ root.T, 50, "identity", gans)
    inner = averaging @ root
    plain = crossed_estimate(averaging @ values, inner @ inner.T, 50, "identity")
    assert clusters.value == pytest.approx(values.mean())
    assert (clusters.se, clusters.df) == pytest.approx((plain.se, plain.df))
    assert clusters.sources == ("patients", "seeds", "gans")
    # With one GAN, or a GAN of its own for each seed, the variance is that of seeds.
    own, one, none = (crossed_estimate(values, root @ root.T, 50, "identity", g) for g in (range(6), [0] * 6, ()))
    assert own.se == pytest.approx(one.se)
    assert one.se == none.se
    assert one.sources == none.sources == ("patients", "seeds")


def test_gans_with_unequal_numbers_of_seeds_keep_the_mean_over_seeds_and_an_unbiased_variance():
    rng, gans = np.random.default_rng(4), [0, 1, 2, 0, 1]
    means, variances = [], []
    for _ in range(4000):
        values = rng.normal(size=3)[gans]
        estimate = crossed_estimate(0.01 * values, np.zeros((5, 5)), 50, "identity", gans)
        means.append(estimate.value)
        variances.append(estimate.se**2)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.08)
    assert np.mean(variances) == pytest.approx(1e-4 * (0.4**2 + 0.4**2 + 0.2**2), rel=0.05)


def test_the_level_left_by_holm_is_the_one_at_which_it_decides():
    rng = np.random.default_rng(5)
    for _ in range(50):
        p_values = (rng.random(5) ** 4).tolist()
        level = holm_level(p_values, 2)
        for p, is_found in ((level * 0.999, True), (level * 1.001, False)):
            assert (holm([*p_values[:2], p, *p_values[3:]])[2] < 0.05) == is_found
