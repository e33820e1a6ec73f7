import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks.crossed_bootstrap import crossed_bootstrap
from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.comparison import estimate_auc, estimate_difference
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import p_value


def binary(labels, patients=None):
    labels = np.asarray(labels, dtype=bool)
    patients = np.arange(len(labels)) if patients is None else np.asarray(patients)
    return GroundTruth(np.stack([~labels, labels], axis=1), ("well", "ill"), False, 1, patients)


def two_columns(scores):
    return np.stack([-scores, scores], axis=1)


def draw(rng, truth, seeds=3, effect=1.2, digits=9):
    return [np.round(rng.normal(size=truth.labels.shape) + effect * truth.labels, digits) for _ in range(seeds)]


def weights_of(patients, draws, seed):
    """The same draws, made plainly."""
    rng, count = np.random.default_rng(seed), patients.max() + 1
    return np.array([np.bincount(rng.integers(count, size=count), minlength=count)[patients] for _ in range(draws)])


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 9]), st.booleans())
def test_every_resampled_auc_is_scikit_learns_with_the_draw_as_weights(seed, digits, clustered):
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 2 == 1
    truth = binary(labels, rng.permutation(60) // 2 if clustered else None)
    arm = draw(rng, truth, seeds=2, digits=digits)
    found = crossed_bootstrap(truth, {"real": arm}, draws=5, seed=seed).resampled["real"]
    for weights, row in zip(weights_of(truth.patients, 5, seed), found, strict=True):
        plain = [roc_auc_score(labels, scores[:, 1], sample_weight=weights) for scores in arm]
        assert row == pytest.approx(plain, abs=1e-12)


def test_the_macro_auc_is_resampled_label_by_label():
    rng = np.random.default_rng(1)
    labels = np.eye(3, dtype=bool)[rng.integers(3, size=50)]
    truth = GroundTruth(labels, ("a", "b", "c"), False, None, np.arange(50))
    arm = draw(rng, truth)
    found = crossed_bootstrap(truth, {"real": arm}, draws=70, seed=2).resampled["real"]
    weights = weights_of(truth.patients, 70, 2)[69]
    plain = [roc_auc_score(labels, scores, average="macro", sample_weight=weights) for scores in arm]
    assert found[69] == pytest.approx(plain, abs=1e-12)


def test_identical_arms_differ_by_exactly_nothing():
    rng = np.random.default_rng(2)
    truth = binary(np.arange(40) < 15)
    arm = draw(rng, truth)
    estimate = crossed_bootstrap(truth, {"real": arm, "copy": arm}, draws=100).difference("copy", "real")
    assert (estimate.value, estimate.se, p_value(estimate)) == (0.0, 0.0, 1.0)
    assert estimate.ci95[0] < 0 < estimate.ci95[1]


def test_the_same_seed_gives_the_same_draws_whatever_the_threads_and_another_seed_others():
    rng = np.random.default_rng(3)
    truth = binary(np.arange(80) < 30)
    arms = {"real": draw(rng, truth), "mixed": draw(rng, truth, effect=1.5)}
    first = crossed_bootstrap(truth, arms, draws=130)
    again = crossed_bootstrap(truth, arms, draws=130, threads=3)
    other = crossed_bootstrap(truth, arms, draws=130, seed=1)
    for name in arms:
        np.testing.assert_array_equal(first.resampled[name], again.resampled[name])
        assert (first.resampled[name] != other.resampled[name]).any()


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_cases_does_not_matter(random):
    rng = np.random.default_rng(4)
    labels, patients = np.arange(60) < 25, np.arange(60) // 2
    arms = {"real": draw(rng, binary(labels), digits=1), "mixed": draw(rng, binary(labels), digits=1)}
    order = np.array(random.sample(range(60), 60))
    moved = {name: [scores[order] for scores in seeds] for name, seeds in arms.items()}
    plain = crossed_bootstrap(binary(labels, patients), arms, draws=40).resampled
    found = crossed_bootstrap(binary(labels[order], patients[order]), moved, draws=40).resampled
    for name in arms:
        np.testing.assert_array_equal(found[name], plain[name])


def test_patients_are_resampled_whole():
    rng = np.random.default_rng(5)
    labels = np.arange(60) % 3 == 0
    truth = binary(labels)
    arm = draw(rng, truth)
    twice = binary(np.repeat(labels, 2), np.repeat(np.arange(60), 2))
    doubled = crossed_bootstrap(twice, {"real": [np.repeat(scores, 2, axis=0) for scores in arm]}, draws=50)
    np.testing.assert_array_equal(
        doubled.resampled["real"], crossed_bootstrap(truth, {"real": arm}, draws=50).resampled["real"]
    )


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_it_agrees_with_the_reports_statistic(seeds):
    rng = np.random.default_rng(6)
    truth = binary(np.arange(600) % 3 == 0, np.arange(600) // 2)
    arms = {"real": draw(rng, truth, seeds), "mixed": draw(rng, truth, seeds, effect=1.3)}
    boot = crossed_bootstrap(truth, arms, draws=4000)
    ours, plain = boot.difference("mixed", "real"), estimate_difference(truth, arms["mixed"], arms["real"])
    assert ours.value == pytest.approx(plain.value, abs=1e-12)
    assert ours.se == pytest.approx(plain.se, rel=0.05)
    assert ours.sources == plain.sources
    assert boot.auc("real").se == pytest.approx(estimate_auc(truth, arms["real"]).se, rel=0.05)


def test_draws_without_a_class_are_drawn_again_and_too_few_patients_are_a_fault():
    rng = np.random.default_rng(7)
    scarce = binary(np.arange(40) < 5)
    found = crossed_bootstrap(scarce, {"real": draw(rng, scarce)}, draws=2000).resampled["real"]
    assert found.shape == (2000, 3)
    assert np.isfinite(found).all()
    few = binary(np.arange(40) < 8, np.arange(40) // 2)
    with pytest.raises(DataError, match="4 independent pairs"):
        crossed_bootstrap(few, {"real": draw(rng, few)}, draws=10)
