"""What a report says of the internal test, and that it says it only if the figures and the patients allow it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from gan_aug.data.manifest import INTERNAL, Manifest, Study
from gan_aug.errors import DataError, LeakageError
from gan_aug.evaluation.cells.drawn import held_out_contents
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.leakage import check_trained_on
from gan_aug.evaluation.outcome.files import scores_tables
from gan_aug.evaluation.outcome.report import Report
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.pages.terminal import to_terminal
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.internal_test import another_distribution, internal_test_table, internal_test_text
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

SCHEMA = json.loads(Path("docs/reference/report.schema.json").read_text(encoding="utf-8"))


def with_internal(manifest: Manifest, images: int = 80, *, named: bool = True) -> Manifest:
    """The data set with an internal test; each patient has two images, or none is named."""
    own = [
        Study(f"internal{i}", (i // 2 % len(manifest.labels),), INTERNAL, f"internal-patient{i // 2}", "sample")
        for i in range(images)
    ]
    studies = (*manifest.studies, *own)
    studies = studies if named else tuple(replace(study, patient=None) for study in studies)
    return replace(manifest, studies=studies, no_internal_test=None)


def scored(manifest: Manifest, sharpness: float, arms: Sequence[str] = ("real", "mixed")) -> list[CellResult]:
    """Cells whose log-odds on the internal test are right by `sharpness`, with noise of 1."""
    rng = np.random.default_rng(5)
    right = manifest.label_matrix()[manifest.indices(INTERNAL)]
    return [
        replace(cell, internal_scores=1 / (1 + np.exp(-sharpness * (right - 0.5) - rng.normal(size=right.shape))))
        for cell in make_cells(manifest, arms, sharpness=0.4)
    ]


def report_of(manifest: Manifest, sharpness: float) -> dict[str, Any]:
    report: dict[str, Any] = make_report(manifest, scored(manifest, sharpness), make_synthetic(manifest))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return report


def test_a_test_of_another_distribution_is_said_first_and_with_both_figures() -> None:
    report = report_of(with_internal(make_manifest()), 30)
    gap, arm = report["internal_test"]["gap"], report["internal_test"]["arms"]["real"]["auc"]["value"]
    assert gap["differs"]
    assert gap["value"] == pytest.approx(report["arms"]["real"]["auc"]["value"] - arm)
    said = another_distribution(report)
    assert said is not None
    assert said.startswith(
        "The test is of another distribution than the training images. The arm “real” has an AUC of "
    )
    assert said.endswith("patients held out of the training images (80 images).")
    assert said in [caveat.text for caveat in caveats(report)]
    for form in (to_markdown(report), to_html(report, {}, {}, {})):
        assert said in form
        assert "Test and internal test" in form
    assert "The test is of another distribution" in to_terminal(report)
    typed = Report.model_validate(report)
    assert typed.internal_test is not None
    assert typed.internal_test.gap.differs
    assert typed.dataset.counts.internal_test == 80


def test_patients_that_nobody_names_are_another_explanation() -> None:
    report = report_of(with_internal(make_manifest(), named=False), 30)
    assert report["internal_test"]["gap"]["differs"]
    said = another_distribution(report)
    assert said is not None
    assert not said.startswith("The test is of another distribution")
    assert "or patients have images both in training and in the internal test, whose AUC is then too good" in said


def test_alike_figures_are_no_sign_of_another_distribution() -> None:
    report = report_of(with_internal(make_manifest()), 1)
    assert not report["internal_test"]["gap"]["differs"]
    assert another_distribution(report) is None
    assert "no sign that the test is of another distribution" in internal_test_text(report)[0]
    table = internal_test_table(report)
    assert table is not None
    assert [row[0] for row in table.rows] == ["real", "mixed"]
    assert table.rows[0][3:] == ("–", "–")


def test_without_one_the_report_says_why_and_an_older_one_nothing() -> None:
    why = "the test is one itself, as they were divided 7:1:2"
    manifest = replace(make_manifest(), no_internal_test=why)
    report = make_report(manifest, make_cells(manifest), make_synthetic(manifest))
    assert report["internal_test"] is None
    assert f"No internal test was held out of the training images: {why}." in to_markdown(report)
    older = json.loads(json.dumps(report))
    del older["internal_test"], older["dataset"]["no_internal_test"]
    assert "internal test" not in to_markdown(older)


def test_no_image_of_it_may_be_trained_on_and_its_scores_have_a_table_of_their_own() -> None:
    manifest = with_internal(make_manifest())
    with pytest.raises(LeakageError, match="1 of the 2 images"):
        check_trained_on({"train0", "internal3"}, manifest)
    assert held_out_contents(manifest)["internal3"] == INTERNAL
    cells, plain = scored(manifest, 3), make_cells(manifest, ("real", "mixed"), sharpness=0.4)
    tables = scores_tables(manifest, cells)
    assert list(tables) == ["compare/scores.csv", "compare/scores-internal-test.csv"]
    assert [len(table.splitlines()) for table in tables.values()] == [61, 81]
    assert tables["compare/scores.csv"] == scores_tables(make_manifest(), plain)["compare/scores.csv"]
    with pytest.raises(DataError, match="has no scores of the internal test"):
        make_report(manifest, make_cells(manifest), make_synthetic(manifest))
