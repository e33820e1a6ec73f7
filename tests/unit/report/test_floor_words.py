"""What the report says of the baseline beside the arm real."""

from __future__ import annotations

from typing import Any

import pytest

from gan_aug.report import to_markdown
from gan_aug.report.pages.terminal import to_terminal
from gan_aug.report.words.caveats import caveats
from tests.support.evaluation_samples import make_cells, make_manifest, make_report


def report_with(low: float, high: float) -> dict[str, Any]:
    manifest = make_manifest()
    report = make_report(manifest, make_cells(manifest, ("real", "classic")))
    middle = (low + high) / 2
    floor = report["arms"]["real"]["auc"]["value"] - middle
    figure = {"value": floor, "ci95": [floor - 0.02, floor + 0.02]}
    report["baseline"] = {
        "components": 50,
        "train_images": 120,
        "auc": figure,
        "accuracy": {"value": 0.75, "ci95": [0.7, 0.8]},
        "real_above": {"value": middle, "ci95": [low, high]},
    }
    return report


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.06, -0.02, "The classifier is worse than a cheap baseline"),
        (-0.03, 0.05, "The classifier is not clearly better than a cheap baseline"),
        (0.01, 0.05, None),
    ],
)
def test_a_network_that_is_not_above_the_floor_is_told_first(low: float, high: float, said: str | None) -> None:
    report = report_with(low, high)
    found = [caveat.text for caveat in caveats(report) if "baseline" in caveat.text]
    text = to_markdown(report)
    assert "| baseline | 120 real images, logistic regression on 50 principal components | –  " in text
    assert "a logistic regression with an L2 penalty (C of 0.1) was fitted to the first 50 principal components" in text
    if said is None:
        assert found == []
    else:
        assert found[0].startswith(said)
        assert f"- {said}" in to_terminal(report)  # without an arm with a GAN, too
        assert text.index(said) < text.index("## Arms")


def test_a_report_of_an_earlier_version_has_none() -> None:
    report = report_with(0, 0)
    del report["baseline"]
    assert "baseline" not in to_markdown(report).lower()


def test_a_doubling_that_still_helped_at_the_end_is_told() -> None:
    report = report_with(0.01, 0.05)
    first = {"steps": 1000, "validation_auc": 0.8, "gain": None, "gain_ci95": None}
    second = {"steps": 2000, "validation_auc": 0.85, "gain": 0.05, "gain_ci95": [0.01, 0.09]}
    third = {"steps": 4000, "validation_auc": 0.9, "gain": 0.05, "gain_ci95": [0.01, 0.09]}
    for value, told in ((4000, True), (2000, False)):
        report["steps"] = {"value": value, "given": False, "tried": [first, second, third]}
        assert any("still raised the AUC" in caveat.text for caveat in caveats(report)) is told
    text = to_markdown(report)
    assert "It was doubled: it is if that raises the AUC" in text
    assert "(1\u202f000 steps 0.8000; 2\u202f000 steps 0.8500; 4\u202f000 steps 0.9000)" in text
    assert "classifiers of 400 steps each, 2 to choose that number" in text
