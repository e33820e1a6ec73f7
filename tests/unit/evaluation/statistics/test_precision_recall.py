"""Precision-recall curves: scikit-learn's points, an area that is the average precision, bands that hold the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.metrics import partial_auc
from gan_aug.evaluation.statistics.precision_recall import average_precision_interval, precision_recall_band, prevalence
from tests.support.evaluation_samples import make_cells, make_manifest

MANIFEST = make_manifest()
TRUTH = GroundTruth.of(MANIFEST, "test")
SCORES = [cell.test_scores for cell in make_cells(MANIFEST, ("synthetic",))]
POSITIVE = TRUTH.target_labels[:, 0]


def test_the_points_are_scikit_learns() -> None:
    band = precision_recall_band(TRUTH, SCORES[:1])
    precision, recall, _ = precision_recall_curve(POSITIVE, SCORES[0][:, 1])
    for x, y in zip(band.x, band.mean, strict=True):
        reached = np.flatnonzero(recall[:-1] >= x - 1e-9)
        assert y == pytest.approx(precision[reached[-1]])  # recall falls along scikit-learn's curve


@given(st.lists(st.integers(0, 9), min_size=12, max_size=12), st.integers(1, 11))
@settings(max_examples=40)
def test_areas_are_scikit_learns(values: list[int], positives: int) -> None:
    labels = np.arange(12) < positives
    one = GroundTruth(np.stack([~labels, labels], axis=1), ("a", "b"), False, 1, np.arange(12))
    scores = np.stack([1 - np.array(values) / 10, np.array(values) / 10], axis=1)
    band = precision_recall_band(one, [scores])
    # The curve is a staircase: its area is that of its heights where it is sampled finely enough to miss no step.
    area = float(np.mean(band.mean[1:]))
    assert area == pytest.approx(average_precision_score(labels, scores[:, 1]), abs=0.02)
    assert band.mean[-1] >= prevalence(one) - 1e-12
    expected = roc_auc_score(labels, scores[:, 1], max_fpr=0.1)
    assert partial_auc(one, scores, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [("a", "b"), ("a", "b", "c")])
def test_the_band_holds_the_mean_and_stays_within_0_and_1(labels: tuple[str, ...]) -> None:
    manifest = make_manifest(labels, positive=None)
    band = precision_recall_band(
        GroundTruth.of(manifest, "test"), [cell.test_scores for cell in make_cells(manifest, ("real",))]
    )
    assert (band.low <= band.mean).all()
    assert (band.mean <= band.high).all()
    assert band.low.min() >= 0
    assert band.high.max() <= 1


def test_scores_that_say_nothing_give_the_prevalence() -> None:
    band = precision_recall_band(TRUTH, [np.full((60, 2), 0.5)])
    np.testing.assert_allclose(band.mean, prevalence(TRUTH))


def test_the_interval_of_the_average_precision_holds_it_and_is_exact_where_nothing_varied() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([False, True], [60, 40])
    one = GroundTruth(np.stack([~labels, labels], axis=1), ("a", "b"), False, 1, np.arange(100))
    seeds = [rng.normal(labels, 1.0) for _ in range(3)]
    scores = [np.stack([-of_seed, of_seed], axis=1) for of_seed in seeds]
    low, high = average_precision_interval(one, scores)
    mean = np.mean([average_precision_score(labels, of_seed) for of_seed in seeds])
    assert 0.5 < low < mean < high < 1
    # Its half-width is near that of resampling the cases.
    draws = [rng.integers(100, size=100) for _ in range(300)]
    spread = np.std([np.mean([average_precision_score(labels[d], s[d]) for s in seeds]) for d in draws])
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.5)
    assert average_precision_interval(one, [np.stack([~labels, labels], axis=1).astype(float)]) == (
        pytest.approx(0.05 ** (1 / one.pairs)), 1.0
    )  # fmt: skip


def test_the_interval_near_1_is_on_the_logit_scale_and_ends_below_1() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([False, True], [50, 20])
    one = GroundTruth(np.stack([~labels, labels], axis=1), ("a", "b"), False, 1, np.arange(70))
    seeds = [rng.normal(3.2 * labels, 1.0) for _ in range(5)]
    scores = [np.stack([-of_seed, of_seed], axis=1) for of_seed in seeds]
    low, high = average_precision_interval(one, scores)
    mean = np.mean([average_precision_score(labels, of_seed) for of_seed in seeds])
    assert mean > 0.93
    assert high < 0.999
    assert np.log(low / (1 - low)) + np.log(high / (1 - high)) == pytest.approx(2 * np.log(mean / (1 - mean)))
