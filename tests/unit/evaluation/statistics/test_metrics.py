import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve as sklearn_curve
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, confusion_matrix

from gan_aug.evaluation.statistics.calibration import calibration_curve, error_if_perfect, expected_calibration_error
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.metrics import (
    average_precision,
    brier,
    confusion,
    estimate_accuracy,
    estimate_share,
    operating_point,
    precision_recall,
)
from gan_aug.evaluation.statistics.uncertainty import Influence

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(3, size=60)
SCORES = RNG.dirichlet(np.ones(3), size=60)


def truth_of(labels, multi_label=False, positive=None):
    labels = np.asarray(labels, dtype=bool)
    names = tuple("abc"[: labels.shape[1]])
    return GroundTruth(labels, names, multi_label, positive, np.arange(len(labels)))


MULTI = truth_of(np.eye(3)[CLASSES])
BINARY = truth_of(np.eye(2)[CLASSES % 2], positive=1)
BINARY_SCORES = np.stack([1 - SCORES[:, 0], SCORES[:, 0]], axis=1)
LABELS = truth_of(RNG.random((60, 3)) < 0.3, multi_label=True)


def test_accuracy_is_scikit_learns_with_an_interval():
    estimate = estimate_accuracy(MULTI, [SCORES])
    assert estimate.value == pytest.approx(accuracy_score(CLASSES, SCORES.argmax(axis=1)))
    assert 0 < estimate.ci95[0] < estimate.value < estimate.ci95[1] < 1
    assert estimate.se == pytest.approx(np.sqrt(estimate.value * (1 - estimate.value) / 59))
    labels = estimate_accuracy(LABELS, [SCORES, SCORES])
    assert labels.value == pytest.approx(((SCORES >= 0.5) == LABELS.labels).mean())


def test_all_right_leaves_the_rule_of_three():
    estimate = estimate_accuracy(MULTI, [np.eye(3)[CLASSES]] * 2)
    assert estimate.ci95 == pytest.approx((1 - 3 / 60, 1.0), abs=2e-3)


def test_average_precision_and_brier_follow_scikit_learn():
    positive = BINARY.labels[:, 1]
    assert average_precision(BINARY, BINARY_SCORES) == pytest.approx(average_precision_score(positive, SCORES[:, 0]))
    assert brier(BINARY, [BINARY_SCORES])[0] == pytest.approx(brier_score_loss(positive, SCORES[:, 0]))
    assert average_precision(MULTI, SCORES) == pytest.approx(average_precision_score(MULTI.labels, SCORES))
    assert brier(MULTI, [np.eye(3)[(CLASSES + 1) % 3]]) == (
        pytest.approx(2.0),
        pytest.approx((2 * 0.05 ** (1 / 60), 2)),
    )
    assert brier(LABELS, [LABELS.labels.astype(float)]) == (0.0, pytest.approx((0, 1 - 0.05 ** (1 / 60))))


def test_the_brier_score_s_interval_is_near_that_of_resampled_cases_and_widens_with_the_seeds():
    rng = np.random.default_rng(1)
    value, (low, high) = brier(MULTI, [SCORES])
    squares = ((SCORES - MULTI.labels) ** 2).sum(axis=1)
    spread = np.std([squares[rng.integers(60, size=60)].mean() for _ in range(2000)])
    assert 0 < low < value < high < 2
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    _, (wide_low, wide_high) = brier(MULTI, [SCORES, np.eye(3)[CLASSES]])
    assert wide_high - wide_low > high - low


def test_the_threshold_comes_from_validation_alone():
    validation = truth_of(np.eye(2)[np.repeat([0, 1], [10, 2])], positive=1)
    known = np.concatenate([np.arange(10) / 20, [0.9, 0.9]])
    known = np.stack([1 - known, known], axis=1)
    test = truth_of(np.eye(2)[np.repeat([0, 1], [4, 4])], positive=1)
    shown = np.array([0.1, 0.2, 0.41, 0.3, 0.39, 0.4, 0.42, 0.9])
    shown = np.stack([1 - shown, shown], axis=1)
    point = operating_point(validation, known, test, shown, 0.9)
    assert (point.sensitivity.value, point.specificity.value) == (0.5, 0.75)
    assert point.thresholds == (0.4,)
    for share, n in ((point.sensitivity, 4), (point.specificity, 4)):
        assert share.cases.sum() == pytest.approx(0)
        assert (share.cases**2).sum() == pytest.approx(share.value * (1 - share.value) / (n - 1))
    nobody_well = truth_of(np.eye(2)[np.ones(3, dtype=int)], positive=1)
    assert operating_point(nobody_well, known[:3], test, shown, 0.9) is None


def test_a_sensitivity_has_wilsons_interval_over_the_ill_patients():
    validation = truth_of(np.eye(2)[np.repeat([0, 1], 50)], positive=1)
    scores = np.linspace(0, 1, 100)
    point = operating_point(validation, np.stack([1 - scores, scores], axis=1), BINARY, BINARY_SCORES, 0.5)
    ill = BINARY.target_labels
    estimate = estimate_share(BINARY, [point.sensitivity], ill)
    caught = round(estimate.value * ill.sum())
    expected = binomtest(caught, int(ill.sum())).proportion_ci(method="wilson")
    assert estimate.ci95 == pytest.approx(expected, abs=0.01)  # Wilson's with n - 1 in the variance
    everyone = estimate_share(BINARY, [Influence(1.0, np.zeros(60))], ill)
    assert everyone.ci95 == pytest.approx((0.05 ** (1 / ill.sum()), 1.0))


def test_precision_and_recall_pool_the_seeds_and_say_where_nothing_was_called():
    truth = truth_of(np.eye(3)[[0, 0, 1, 1]])
    first, second = np.eye(3)[[0, 0, 0, 1]], np.eye(3)[[0, 1, 1, 1]]
    (a, b, c) = precision_recall(truth, [first, second])
    for precision, recall in (a, b):
        assert (precision.value, recall.value) == pytest.approx((3 / 4, 3 / 4))
    assert c == (None, None)


def test_precision_and_recall_have_wilsons_interval_over_patients_and_seeds():
    ((precision, recall), *_) = precision_recall(MULTI, [SCORES])
    called, true = SCORES.argmax(axis=1) == 0, CLASSES == 0
    for estimate, among in ((precision, called), (recall, true)):
        expected = binomtest(int((called & true).sum()), int(among.sum())).proportion_ci(method="wilson")
        assert estimate.ci95 == pytest.approx(expected, abs=0.01)  # Wilson's with n - 1 in the variance
    # A seed that calls nothing so weighs nothing in the value, but how much seeds differ is in the interval.
    nothing = np.eye(3)[np.ones(60, dtype=int)]
    ((both, _), *_) = precision_recall(MULTI, [SCORES, nothing])
    assert both.value == pytest.approx(precision.value)
    assert both.sources == ("patients", "seeds")
    ((right, _), *_) = precision_recall(MULTI, [np.eye(3)[CLASSES]])
    assert right.ci95 == pytest.approx((0.05 ** (1 / true.sum()), 1.0))


def test_the_calibration_curve_is_scikit_learns_and_its_error_the_weighted_distance():
    curve = calibration_curve(BINARY, [BINARY_SCORES])
    observed, predicted = sklearn_curve(BINARY.labels[:, 1], BINARY_SCORES[:, 1], n_bins=10)
    assert [part.observed for part in curve] == pytest.approx(list(observed))
    assert [part.predicted for part in curve] == pytest.approx(list(predicted))
    assert sum(part.count for part in calibration_curve(LABELS, [SCORES, SCORES])) == 2 * SCORES.size
    certain = np.eye(3)[(CLASSES + (np.arange(60) < 15)) % 3]
    (only,) = calibration_curve(MULTI, [certain])
    assert (only.predicted, only.observed, only.count) == (1.0, 0.75, 60)
    assert expected_calibration_error([only]) == pytest.approx(0.25)


def test_perfect_probabilities_have_the_error_that_chance_gives():
    rng = np.random.default_rng(2)
    share = rng.beta(0.5, 0.5, size=156)
    scores = np.stack([1 - share, share], axis=1)
    drawn = [truth_of(np.eye(2)[(rng.random(156) < share).astype(int)], positive=1) for _ in range(300)]
    errors = [expected_calibration_error(calibration_curve(truth, [scores])) for truth in drawn]
    assert error_if_perfect(drawn[0], scores) == pytest.approx(np.mean(errors), rel=0.05)
    assert error_if_perfect(drawn[0], scores) > 0.05
    assert error_if_perfect(MULTI, np.eye(3)[CLASSES]) == 0.0
    assert 0 < error_if_perfect(LABELS, SCORES) < 0.2


def test_confusion_counts_the_cases_of_all_seeds():
    expected = confusion_matrix(CLASSES, SCORES.argmax(axis=1))
    assert confusion(MULTI, [SCORES, SCORES]) == (2 * expected).tolist()
    assert confusion(LABELS, [SCORES]) is None
