"""What the report says of the baseline beside the arm real."""

from __future__ import annotations

from typing import Any

import pytest

from gan_aug.report import to_markdown
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
        assert text.index(said) < text.index("## Arms")


def test_a_report_of_an_earlier_version_has_none() -> None:
    report = report_with(0, 0)
    del report["baseline"]
    assert "baseline" not in to_markdown(report).lower()
