import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import (
    auc,
    auc_influence,
    delong_test,
    independent_pairs,
    macro_auc_influence,
    placements,
)


def textbook_delong(labels, *score_vectors):
    """AUCs and their covariance from all pairs, as the paper writes them."""
    values, of_positives, of_negatives = [], [], []
    for scores in score_vectors:
        x, y = scores[labels], scores[~labels]
        psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
        values.append(psi.mean())
        of_positives.append(psi.mean(axis=1))
        of_negatives.append(psi.mean(axis=0))
    s10, s01 = np.atleast_2d(np.cov(of_positives)), np.atleast_2d(np.cov(of_negatives))
    return np.array(values), s10 / labels.sum() + s01 / (~labels).sum()


def sample(seed, n=70, levels=None, effect=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    first = rng.normal(size=n) + effect * labels
    second = 0.6 * first + rng.normal(size=n) + 0.5 * labels
    if levels:
        first, second = np.round(first * levels) / levels, np.round(second * levels) / levels
    return labels, first, second


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_the_auc_its_variance_and_the_paired_test_equal_the_textbook(levels):
    for seed in range(5):
        labels, first, second = sample(seed, levels=levels)
        values, covariance = textbook_delong(labels, first, second)
        a, b = auc_influence(labels, first), auc_influence(labels, second)
        assert a.value == pytest.approx(values[0], abs=1e-12)
        assert a.value == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
        assert a.cases @ a.cases == pytest.approx(covariance[0, 0], abs=1e-12)
        assert a.cases @ b.cases == pytest.approx(covariance[0, 1], abs=1e-12)
        assert a.cases.sum() == pytest.approx(0, abs=1e-12)
        z = (values[0] - values[1]) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        assert delong_test(labels, first, second) == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)


def test_the_untransformed_interval_is_delongs_and_the_logit_one_is_asymmetric_near_one():
    labels, scores, _ = sample(0, effect=3.0)
    values, covariance = textbook_delong(labels, scores)
    half = stats.norm.ppf(0.975) * np.sqrt(covariance[0, 0])
    plain = auc(labels, scores, "identity")
    assert plain.ci95 == pytest.approx((values[0] - half, min(1.0, values[0] + half)), abs=1e-12)
    low, high = auc(labels, scores).ci95
    assert high < 1
    assert values[0] - low > high - values[0]


def test_macro_one_vs_rest_is_scikit_learns_and_its_variance_that_of_the_mean():
    rng = np.random.default_rng(3)
    classes = rng.integers(3, size=90)
    labels = np.eye(3, dtype=bool)[classes]
    scores = rng.dirichlet(np.ones(3), size=90) + labels * 0.3
    scores /= scores.sum(axis=1, keepdims=True)
    macro = macro_auc_influence(labels, scores, ("a", "b", "c"))
    assert macro.value == pytest.approx(roc_auc_score(classes, scores, multi_class="ovr", average="macro"), abs=1e-12)
    jackknife = []
    for i in range(90):
        keep = np.arange(90) != i
        jackknife.append(macro_auc_influence(labels[keep], scores[keep], ("a", "b", "c")).value)
    assert macro.cases @ macro.cases == pytest.approx(np.var(jackknife) * 89, rel=0.03)


def test_of_two_classes_the_macro_auc_equals_that_of_either():
    labels, scores, _ = sample(1)
    share = 1 / (1 + np.exp(-scores))
    macro = macro_auc_influence(np.stack([~labels, labels], 1), np.stack([1 - share, share], 1), ("no", "yes"))
    binary = auc_influence(labels, scores)
    assert macro.value == pytest.approx(binary.value, abs=1e-12)
    np.testing.assert_allclose(macro.cases, binary.cases, atol=1e-14)


@st.composite
def cases(draw):
    n = draw(st.integers(6, 40))
    scores = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    labels = draw(st.permutations([True, True, False, False] + [draw(st.booleans()) for _ in range(n - 4)]))
    return np.array(labels), np.array(scores, dtype=float)


@settings(max_examples=60)
@given(cases())
def test_properties_of_the_auc(case):
    labels, scores = case
    result = auc(labels, scores)
    mirrored = auc(labels, -scores)
    assert mirrored.value == pytest.approx(1 - result.value, abs=1e-12)
    assert mirrored.se == pytest.approx(result.se, abs=1e-12)
    assert auc(labels, np.arctan(scores) * 7 - 1).value == result.value
    for scale in ("logit", "identity"):
        low, high = auc(labels, scores, scale).ci95
        assert 0 <= low <= result.value <= high <= 1
        assert low < high
    assert auc(labels, np.full(len(labels), 0.3)).value == 0.5


@settings(max_examples=40)
@given(cases(), st.integers(0, 1000))
def test_the_paired_test_is_symmetric_and_a_score_never_differs_from_itself(case, seed):
    labels, scores = case
    other = scores + np.random.default_rng(seed).normal(size=len(scores))
    p = delong_test(labels, scores, other)
    assert 0 <= p <= 1
    assert p == pytest.approx(delong_test(labels, other, scores), abs=1e-12)
    assert delong_test(labels, scores, scores) == 1.0


def test_perfect_separation_gets_the_exact_bound_and_not_a_point():
    labels = np.repeat([True, False], [12, 30])
    result = auc(labels, labels.astype(float))
    assert (result.value, result.se) == (1.0, 0.0)
    assert result.ci95 == pytest.approx((0.05 ** (1 / 12), 1.0))
    low, high = auc(labels, -labels.astype(float)).ci95
    assert (low, high) == pytest.approx((0.0, 1 - 0.05 ** (1 / 12)))


def test_pairs_that_share_a_patient_are_not_independent():
    labels = np.array([1, 0, 1, 0, 1, 0], dtype=bool)
    assert independent_pairs(labels, np.arange(6)) == 3
    assert independent_pairs(labels, np.array([0, 0, 1, 1, 2, 2])) == 1
    assert independent_pairs(labels, np.zeros(6, dtype=np.int64)) == 1


def test_one_class_only_and_scores_that_are_not_finite_are_faults_with_a_sentence():
    with pytest.raises(DataError, match="0 images with label 'ill' and 9 without"):
        auc_influence(np.zeros(9, dtype=bool), np.arange(9.0), "ill")
    with pytest.raises(DataError, match="not finite"):
        auc_influence(np.arange(9) > 4, np.full(9, np.nan))


def test_images_of_one_patient_have_obuchowski_s_variance():
    """Biometrics 53:567 (1997), equations of S10, S01 and S11, with I10 and I01 patients of either class."""
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(12), 5)
    labels = (patients % 3 == 0) | (rng.random(60) < 0.2)
    scores = labels + rng.normal(size=60) + 0.7 * rng.normal(size=12)[patients]
    of_positives, of_negatives = placements(labels, scores)
    value, m, n = of_positives.mean(), labels.sum(), (~labels).sum()
    ill, well = np.zeros(60), np.zeros(60)
    ill[labels], well[~labels] = of_positives - value, of_negatives - value
    ill, well = (np.bincount(patients, weights=sums) for sums in (ill, well))
    i10, i01 = len(np.unique(patients[labels])), len(np.unique(patients[~labels]))
    s10, s01 = (ill @ ill) * i10 / (i10 - 1) / m**2, (well @ well) * i01 / (i01 - 1) / n**2
    # Obuchowski takes I/(I-1) for the covariance too, which the product of both roots is but for the classes' counts.
    s11 = (ill @ well) * np.sqrt(i10 / (i10 - 1) * i01 / (i01 - 1)) / (m * n)
    influence = auc_influence(labels, scores, patients=patients)
    totals = np.bincount(patients, weights=influence.cases)
    assert totals @ totals == pytest.approx(s10 + s01 + 2 * s11)
    assert i10 < m
    assert i01 < n
