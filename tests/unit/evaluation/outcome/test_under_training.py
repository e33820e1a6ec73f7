"""Arms that were trained too briefly are found by their losses, and no verdict rests on them.

The losses are those of real trainings, shortened: of the example reports, and of the CNN with other numbers of steps.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.under_training import loss_of_guessing, under_trained
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.report import to_markdown
from gan_aug.report.words.caveats import caveats
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic
from tests.support.places import GOLDEN, ROOT

SAMPLE = make_cells(make_manifest(), ("real",), 1)[0]


def truth_of(counts: list[int], multi_label: bool = False) -> GroundTruth:
    labels = np.repeat(np.eye(len(counts), dtype=np.bool_), counts, axis=0)
    names = tuple(map(str, range(len(counts))))
    return GroundTruth(labels, names, multi_label, None, np.arange(len(labels)))


def cell(arm: str, steps: int, losses: list[tuple[int, float, float]], best: int | None = None) -> CellResult:
    """A training with these validation points: step, training loss, validation loss."""
    rows = [{"step": step, "train_loss": train, "validation_loss": held} for step, train, held in losses]
    kept = best or min(losses, key=lambda point: point[2])[0]
    return dataclasses.replace(SAMPLE, arm=arm, steps=steps, best_step=kept, history=rows)


def flagged(report: dict[str, Any]) -> set[str]:
    truth = truth_of(list(report["dataset"]["counts_per_label"]["validation"].values()))
    found = set()
    for arm, figures in report["arms"].items():
        cells = [
            dataclasses.replace(
                SAMPLE, arm=arm, steps=figures["optimizer_steps"], best_step=seed["best_step"], history=history
            )
            for history, seed in zip(figures["history"], figures["seeds"], strict=True)
        ]
        if under_trained(cells, truth, report["config"]["compare"]["pretrain"]):
            found.add(arm)
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/examples").glob("*/report.json")), ids=lambda path: path.parent.name
)
def test_no_arm_of_the_examples_is_flagged(path: Path) -> None:
    assert flagged(json.loads(path.read_text())) == set()


def test_twenty_steps_are_too_few() -> None:
    assert flagged(json.loads((GOLDEN / "run_0_1/report.json").read_text())) == {
        "real",
        "synthetic",
        "mixed",
        "classic",
    }


PNEUMONIA = truth_of([135, 389])
BREAST = truth_of([21, 57])


@pytest.mark.parametrize(
    ("arm", "truth", "steps", "losses", "short"),
    [
        # 60 steps on breast ultrasound: AUC 0.83, and 0.90 with 500.
        ("real", BREAST, 60, [(15, 0.57, 0.60), (30, 0.46, 0.62), (45, 0.44, 0.53), (60, 0.46, 0.45)], True),
        # 200 and 1000 steps on chest films: AUC 0.950 and 0.962. The first fits its images no better than others yet.
        ("real", PNEUMONIA, 200, [(50, 0.21, 0.15), (100, 0.12, 0.109), (130, 0.1, 0.1017), (200, 0.104, 0.103)], True),
        ("real", PNEUMONIA, 1000, [(250, 0.1, 0.089), (300, 0.09, 0.086), (750, 0.04, 0.1), (1000, 0.02, 0.09)], False),
        # A loss that falls a little as the learning rate goes to 0, in the weights of the end.
        ("real", PNEUMONIA, 2000, [(500, 0.1, 0.091), (1000, 0.09, 0.086), (2000, 0.04, 0.084)], False),
        # Augmented images are harder than those of validation: their loss being higher says nothing.
        ("classic", PNEUMONIA, 1000, [(500, 0.129, 0.084), (800, 0.09, 0.075), (1000, 0.086, 0.077)], False),
        ("classic", PNEUMONIA, 500, [(250, 0.139, 0.10), (475, 0.13, 0.0907), (500, 0.129, 0.091)], True),
        # It memorises: the weights are of an early step, whatever the training loss does later.
        ("real", BREAST, 2000, [(100, 0.3, 0.33), (1000, 0.01, 0.5), (2000, 0.001, 0.6)], False),
        # It has not begun, or there is nothing to learn but by heart.
        ("real", PNEUMONIA, 10, [(5, 0.58, 0.575), (10, 0.575, 0.572)], True),
        ("synthetic", PNEUMONIA, 2000, [(1000, 0.02, 1.4), (2000, 0.001, 1.9)], False),
        # Only one of the halves was looked at.
        ("real", PNEUMONIA, 10, [(10, 0.4, 0.3)], False),
    ],
)
def test_short_trainings_are_told_from_long_ones(
    arm: str, truth: GroundTruth, steps: int, losses: list[tuple[int, float, float]], short: bool
) -> None:
    assert (under_trained([cell(arm, steps, losses)], truth, 0.5) is not None) is short


def test_of_a_pretrained_arm_the_part_on_real_images_counts() -> None:
    # The first half is on synthetic images: what it gains there is no sign of a short training.
    losses = [(250, 0.5, 0.5), (500, 0.3, 0.4), (600, 0.1, 0.09), (750, 0.09, 0.085), (1000, 0.05, 0.084)]
    assert under_trained([cell("pretrain", 1000, losses, 1000)], PNEUMONIA, 0.5) is None
    late = [*losses[:3], (750, 0.09, 0.12), (1000, 0.05, 0.07)]
    assert under_trained([cell("pretrain", 1000, late)], PNEUMONIA, 0.5) is not None


def test_one_odd_seed_among_several_is_no_short_training() -> None:
    good = [(250, 0.1, 0.089), (300, 0.09, 0.086), (750, 0.04, 0.1), (1000, 0.02, 0.09)]
    odd = [(250, 0.1, 0.2), (500, 0.09, 0.11), (1000, 0.1, 0.09)]
    assert under_trained([cell("real", 1000, odd)], PNEUMONIA, 0.5)
    assert under_trained([cell("real", 1000, losses) for losses in (good, good, odd, good)], PNEUMONIA, 0.5) is None


def test_guessing_by_shares_costs_the_entropy() -> None:
    assert loss_of_guessing(truth_of([5, 5])) == pytest.approx(np.log(2))
    assert loss_of_guessing(truth_of([2, 2, 2, 2])) == pytest.approx(np.log(4))
    assert loss_of_guessing(truth_of([5, 5], multi_label=True)) == pytest.approx(np.log(2))
    assert loss_of_guessing(truth_of([7, 0])) == 0


def brief_report(**compare: Any) -> dict[str, Any]:
    """A report in which the arm real was trained too briefly, and nothing else."""
    manifest = make_manifest(per_label=60)
    losses = [(100, 0.6, 0.6), (200, 0.5, 0.5), (300, 0.4, 0.4), (400, 0.3, 0.3)]
    cells = [
        dataclasses.replace(one, history=cell("real", 400, losses).history, best_step=400) if one.arm == "real" else one
        for one in make_cells(manifest, ("real", "synthetic", "mixed", "classic"))
    ]
    for one in cells:
        for point in one.history:
            point |= {"epoch": 1, "train_accuracy": 0.5, "validation_accuracy": 0.5}
        if one.arm != "real":
            one.history[-1]["validation_loss"] = one.history[0]["validation_loss"] = 0.1
    return make_report(manifest, cells, make_synthetic(manifest), **compare)


def test_no_verdict_rests_on_an_arm_that_was_trained_too_briefly() -> None:
    report = brief_report()
    assert {arm for arm, figures in report["arms"].items() if figures["under_trained"]} == {"real"}
    for row in report["comparisons"]:
        if row["against"] == "real":
            assert (row["verdict"], row["under_trained"]) == ("inconclusive", ["real"])
        else:
            assert row["under_trained"] == []
    assert report["headline"]["verdict"] == "inconclusive"
    withheld = [caveat for caveat in caveats(report) if caveat.withholds]
    assert withheld[0].text.startswith("Trained too briefly: “real” still improved when training ended")
    assert "Set classifier.steps to 1000 (now 400), or leave it out" in withheld[0].text
    text = to_markdown(report)
    assert text.index("Trained too briefly") < text.index("## Arms")
    assert "400; 400, too few" in text
    assert "no verdict, as “real” was trained too briefly (difference" in text
    assert "withheld" in text


def test_a_run_of_an_earlier_version_keeps_the_verdicts_of_its_table() -> None:
    report = brief_report(rule=1)
    assert report["arms"]["real"]["under_trained"]
    assert all(not row["under_trained"] for row in report["comparisons"])
