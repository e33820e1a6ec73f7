"""The headline: the best arm with a GAN against every arm without one, and nothing from too little."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.evaluation.outcome.headline import Choice, choose, joint_verdict, judged_pairs
from gan_aug.evaluation.outcome.margins import keep_margin, load_margins
from gan_aug.evaluation.statistics.comparison import Comparison
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.report import to_markdown
from gan_aug.report.words.verdict import is_missing
from gan_aug.run import layout
from gan_aug.run.files import write_json
from tests.support import evaluation_samples as samples
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

MANIFEST = make_manifest(per_label=60)
ARMS = ("real", "synthetic", "mixed", "duplicate", "classic")
BEST = Choice("mixed", "classic", "auc")


def row(verdict: str, p_adjusted: float = 0.01, difference: float = 0.03) -> Comparison:
    ci95 = (difference - 0.02, difference + 0.02)
    return Comparison(
        "mixed", "real", difference, ci95, p_adjusted, p_adjusted, 0.0, 1.0, verdict, 0.02, None, ("patients",)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("improves"), row("improves")], "improves"),
        ([row("improves"), row("non-inferior")], "non-inferior"),
        ([row("improves"), row("inconclusive")], "inconclusive"),  # better than real images, open beside classic
        ([row("improves"), row("inferior", 0.01, -0.05)], "inferior"),
        ([row("non-inferior"), row("inferior", 0.2, -0.05)], "inconclusive"),  # a loss that Holm leaves open
        ([row("inconclusive")], "inconclusive"),
    ],
)
def test_a_gan_is_better_only_if_it_beats_all_that_can_be_had_without_one(
    rows: list[Comparison], expected: str
) -> None:
    assert joint_verdict(rows) == expected


def test_every_arm_without_a_gan_is_an_opponent_by_default() -> None:
    pairs = judged_pairs(ARMS, BEST)
    assert pairs == [
        *((arm, "real") for arm in ARMS[1:]),
        ("mixed", "duplicate"),
        ("mixed", "classic"),
    ]
    assert ("classic+mixed", "classic") in judged_pairs((*ARMS, "classic+mixed"), BEST)
    # Training on synthetic images alone adds nothing to real ones. It has opponents if nothing with a GAN is better.
    best = judged_pairs(ARMS, Choice("synthetic", "classic", "auc"))
    assert {("synthetic", "duplicate"), ("synthetic", "classic")} <= set(best)
    assert judged_pairs(("real", "classic"), None) == [("classic", "real")]


def report(monkeypatch: pytest.MonkeyPatch, seeds: int = 5, per_label: int = 150, **effects: float) -> dict[str, Any]:
    """A report whose arms separate the classes by these effects, each seed with its own GAN."""
    monkeypatch.setattr(samples, "EFFECTS", effects)
    manifest = make_manifest(per_label=per_label)
    cells = [
        dataclasses.replace(cell, gan=cell.seed if cell.arm in ("synthetic", "mixed") else None)
        for cell in make_cells(manifest, ARMS, seeds)
    ]
    found: dict[str, Any] = json.loads(json.dumps(make_report(manifest, cells, make_synthetic(manifest))))
    return found


EQUAL = dict.fromkeys(ARMS, 1.2)


def test_better_than_real_images_alone_is_no_improvement_while_classic_augmentation_does_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = report(monkeypatch, **{**EQUAL, "mixed": 1.8, "classic": 2.4})
    rows = {(one["arm"], one["against"]): one["verdict"] for one in found["comparisons"]}
    assert rows["mixed", "real"] == "improves"
    assert found["headline"]["strongest"] == "classic"
    assert found["headline"]["verdict"] in ("inferior", "inconclusive", "non-inferior")
    better = report(monkeypatch, **{**EQUAL, "mixed": 2.6})
    assert better["headline"]["verdict"] == "improves"
    assert [one["arm"] for one in better["headline"]["against"]] == ["real", "duplicate", "classic"]
    assert better["headline"]["p"] == max(one["p_adjusted"] for one in better["headline"]["against"])
    assert better["headline"]["sources"] == ["patients", "seeds", "gans"]


@pytest.mark.parametrize(
    ("seeds", "per_label", "missing"),
    [
        (1, 150, {"seeds": 1, "label": None, "cases": None}),
        (5, 9, {"seeds": None, "label": "normal", "cases": 9}),
    ],
)
def test_one_seed_or_few_cases_give_no_verdict(
    monkeypatch: pytest.MonkeyPatch, seeds: int, per_label: int, missing: dict[str, Any]
) -> None:
    found = report(monkeypatch, seeds, per_label, **{**EQUAL, "mixed": 3.5})
    assert found["headline"]["missing"] == missing
    assert {one["verdict"] for one in found["comparisons"]} == {"inconclusive"}
    assert {one["smallest_detectable"] for one in found["comparisons"]} == {None}
    assert found["headline"]["smallest_detectable"] is None


def test_validation_chooses_and_where_it_cannot_the_loss_does() -> None:
    cells = {arm: [cell for cell in make_cells(MANIFEST, ARMS, 2) if cell.arm == arm] for arm in ARMS}
    validation = GroundTruth.of(MANIFEST, "validation")
    means = {arm: np.mean([validation.auc(c.validation_scores).value for c in cells[arm]]) for arm in ARMS}
    choice = choose(validation, cells)
    assert choice is not None
    assert choice.by == "auc"
    assert means[choice.arm] == max(means["mixed"], means["synthetic"])
    assert means[choice.strongest] == max(means[arm] for arm in ("real", "duplicate", "classic"))
    one_class = dataclasses.replace(validation, labels=np.eye(2, dtype=bool)[np.zeros(len(validation.labels), int)])
    by_loss = choose(one_class, cells)
    assert by_loss is not None
    assert by_loss.by == "loss"
    assert choose(validation, {arm: cells[arm] for arm in ("real", "classic")}) is None


def test_a_margin_that_is_changed_after_the_first_result_is_kept(tmp_path: Path) -> None:
    assert keep_margin(tmp_path, 0.02) == [0.02]
    assert keep_margin(tmp_path, 0.05) == [0.05]  # nothing was computed yet
    cell = tmp_path / layout.CELLS / ("ab" * 32)
    cell.mkdir(parents=True)
    write_json(cell / layout.CELL_RESULT, {})
    assert keep_margin(tmp_path, 0.05) == [0.05]
    assert keep_margin(tmp_path, 0.1) == [0.05, 0.1]
    assert keep_margin(tmp_path, 0.1) == [0.05, 0.1]
    assert keep_margin(tmp_path, 0.05) == [0.05, 0.1, 0.05] == load_margins(tmp_path)


def test_a_run_of_version_0_2_had_the_margin_of_its_request(tmp_path: Path) -> None:
    cell = tmp_path / layout.CELLS / ("ab" * 32)
    cell.mkdir(parents=True)
    write_json(cell / layout.CELL_RESULT, {})
    write_json(tmp_path / layout.REQUEST, {"compare": {"margin": 0.02}})
    assert load_margins(tmp_path) is None
    assert keep_margin(tmp_path, 0.03) == [0.02, 0.03]


def test_without_a_gan_too_one_seed_gives_no_verdict_and_the_words_say_so() -> None:
    arms = ("real", "classic")
    cells = [cell for cell in make_cells(MANIFEST, ARMS, 1) if cell.arm in arms]
    found = json.loads(json.dumps(make_report(MANIFEST, cells, arms=arms)))
    assert found["headline"] is None
    assert found["missing"] == {"seeds": 1, "label": None, "cases": None}
    assert is_missing(found)
    text = to_markdown(found)
    assert "could have been shown" not in text
    assert "chance can explain" not in text
