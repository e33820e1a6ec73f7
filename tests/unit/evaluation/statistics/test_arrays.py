"""The statistics on arrays: equal to the report's for the same scores, and sentences for what does not fit."""

from __future__ import annotations

import doctest
import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gan_aug.data.manifest import Manifest
from gan_aug.errors import DataError
from gan_aug.evaluation.cells.files import read_cell
from gan_aug.evaluation.statistics import arrays
from gan_aug.evaluation.statistics.arrays import auc, compare
from gan_aug.evaluation.statistics.auc import delong_test
from tests.support.evaluation_samples import make_cells, make_manifest, make_report
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"
RNG = np.random.default_rng(3)
LABELS = np.arange(120) % 2
SCORES = LABELS + RNG.normal(0, 1.5, 120)
OTHER = LABELS + RNG.normal(0, 1.5, 120)


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(arrays) == (0, 11)


def assert_equal_to_report(report: dict[str, Any], labels: Any, scores: dict[str, Any], patients: Any = None) -> None:
    for arm, of_arm in scores.items():
        expected, found = report["arms"][arm]["auc"], auc(labels, of_arm, patients=patients)
        assert found.value == pytest.approx(expected["value"], rel=1e-8)
        assert found.ci95 == pytest.approx(expected["ci95"], rel=1e-8)
        assert list(found.sources) == expected["sources"]
    for row in report["comparisons"]:
        pair = scores[row["arm"]], scores[row["against"]]
        apart = compare(labels, *pair, patients=patients, margin=row["margin"])
        assert apart.value == pytest.approx(row["difference"], rel=1e-8, abs=1e-12)
        assert apart.ci95 == pytest.approx(row["ci95"], rel=1e-8, abs=1e-12)
        assert apart.p == pytest.approx(row["p"], rel=1e-8)
        if row["p_adjusted"] == row["p"]:
            assert apart.verdict == row["verdict"]


def test_they_are_those_of_a_run() -> None:
    manifest, report = Manifest.load(OLD / "dataset/manifest.json"), json.loads((OLD / "report.json").read_text())
    arms = json.loads((OLD / "compare/cells.json").read_text())["arms"]
    scores = {
        arm: np.stack([read_cell(OLD / "compare/cells" / key).test_scores for key in keys])
        for arm, keys in arms.items()
    }
    labels = [manifest.studies[row].labels[0] for row in manifest.indices("test")]
    assert_equal_to_report(report, labels, scores)


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
@pytest.mark.parametrize("names", [("normal", "pneumonia"), ("a", "b", "c")])
@pytest.mark.parametrize("arms", [("real", "mixed"), ("real", "mixed", "synthetic")])
def test_they_are_those_of_a_report(task: str, names: tuple[str, ...], arms: tuple[str, ...]) -> None:
    manifest = make_manifest(names, task, positive=names[1])
    cells = make_cells(manifest, arms)
    rows = manifest.indices("test")
    matrix = manifest.label_matrix()[rows]
    scores = {arm: np.stack([cell.test_scores for cell in cells if cell.arm == arm]) for arm in arms}
    patients = [manifest.studies[row].patient for row in rows]
    labels = matrix if task == "multi-label" else matrix.argmax(axis=1)
    assert_equal_to_report(make_report(manifest, cells), labels, scores, patients)


def test_one_score_a_case_is_that_of_the_positive_label() -> None:
    found = auc(LABELS, SCORES)
    assert found.value == pytest.approx(roc_auc_score(LABELS, SCORES))
    assert found.sources == ("patients",)
    both = np.stack([-SCORES, SCORES], axis=1)
    for same in (SCORES[:, None], both, both[None], SCORES[None, :, None], SCORES.tolist()):
        assert auc(LABELS, same) == found
    assert auc(LABELS.astype(bool), SCORES) == found
    assert compare(LABELS, SCORES, OTHER).p == pytest.approx(delong_test(LABELS == 1, SCORES, OTHER), rel=1e-9)
    assert auc(LABELS, np.stack([both, both - 1])).sources == ("patients", "seeds")


def test_a_patient_of_none_is_a_patient_of_its_own() -> None:
    plain = auc(LABELS, SCORES)
    assert auc(LABELS, SCORES, patients=[None] * 120) == plain
    assert auc(LABELS, SCORES, patients=[f"P{row}" for row in range(120)]) == plain
    pairs = [row // 2 for row in range(120)]
    clustered = auc(LABELS, SCORES, patients=pairs)
    assert clustered.value == plain.value
    assert clustered.ci95 != plain.ci95
    assert auc(LABELS, SCORES, patients=[f"P{pair}" for pair in pairs]) == clustered


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((LABELS[:-1], SCORES), "scores are (120,) for 119 images and 2 labels"),
        ((LABELS, np.zeros((2, 120))), "scores are (2, 120) for 120 images and 120 labels"),
        ((LABELS + 1, SCORES), "labels are from 1 to 2: give whole numbers from 0 to 1"),
        ((LABELS - 1, SCORES), "labels are from -1 to 0"),
        ((np.full((120, 2), 2), np.zeros((120, 2))), "labels are from 2 to 2: give zeros and ones"),
        ((LABELS + 0.5, SCORES), "give whole numbers (N,), or zeros and ones (N, K)"),
        ((np.array(["a", "b"] * 60), SCORES), "give whole numbers (N,), or zeros and ones (N, K)"),
        ((np.zeros(120, dtype=int), SCORES), "images have the label 0: an AUC"),
        ((LABELS, np.where(LABELS, np.nan, SCORES)), "is not a finite number"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(arguments: tuple[Any, Any], says: str) -> None:
    with pytest.raises(DataError) as error:
        auc(*arguments)
    assert says in str(error.value)


def test_patients_and_seeds_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="there are 3 patients for 120 images"):
        auc(LABELS, SCORES, patients=["a", "b", "c"])
    both = np.stack([-SCORES, SCORES], axis=1)
    with pytest.raises(DataError, match="one arm has 2 seeds and the other 1"):
        compare(LABELS, np.stack([both, both]), both)


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], "4 of 4 images have the label 0: an AUC"),
        ([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], "3 of 4 images have the label 0: an AUC"),
        ([0, 0, 1, 1], [0.1, 0.2, np.nan, 0.4], "a score is not a finite number"),
        ([[1, 0], [1, 1], [1, 0], [1, 1]], np.zeros((4, 2)), "4 of 4 images have the label 0"),
    ],
)
def test_what_has_no_auc_is_refused_in_the_arrays_own_terms(labels: object, scores: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        auc(labels, scores)  # type: ignore[arg-type]
