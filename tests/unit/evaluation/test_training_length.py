"""How many steps a comparison takes: by the number of images, and doubled only while validation says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from gan_aug.errors import CheckpointError
from gan_aug.evaluation.cells.plan import Cell, plan_cells
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.comparison_plan import ComparisonPlan
from gan_aug.evaluation.training_length import choose_steps, default_steps, with_steps
from gan_aug.verification.findings import recomputed_comparison
from tests.support.evaluation_samples import make_cells, make_config, make_manifest

MANIFEST = make_manifest(per_label=60)
SAMPLE = make_cells(MANIFEST, ("real",), 1)[0]
FIRST = 1000
ASKED = with_steps(make_config(arms=["real", "classic"], seeds=2, canaries=False).compare_request, 1)
ASKED = ASKED.model_copy(update={"classifier": ASKED.classifier.model_copy(update={"steps": None})})


class Trained:
    """Stands for trainings: `skill` says how far the scores of some number of steps keep the classes apart."""

    def __init__(self, skill: Mapping[int, float]) -> None:
        self.skill = skill
        self.results: dict[str, CellResult] = {}
        self.asked: list[list[tuple[int, str, int]]] = []

    def __call__(self, cells: Sequence[Cell], what: str) -> Mapping[str, CellResult]:
        self.asked.append([(cell.request["classifier"]["steps"], cell.arm, cell.seed) for cell in cells])
        self.results |= {cell.key: self._result(cell) for cell in cells}
        return self.results

    def _result(self, cell: Cell) -> CellResult:
        steps = cell.request["classifier"]["steps"]

        def scores(split: str) -> np.ndarray:
            right = MANIFEST.label_matrix()[MANIFEST.indices(split)].astype(np.float64)
            noise = np.random.default_rng(len(right)).normal(size=(len(right), 1))
            logit = self.skill[steps] * (right[:, [1]] - 0.5) + noise
            positive = 1 / (1 + np.exp(-logit))
            return np.hstack([1 - positive, positive])

        return dataclasses.replace(
            SAMPLE,
            key=cell.key,
            arm=cell.arm,
            seed=cell.seed,
            steps=steps,
            validation_scores=scores("validation"),
            test_scores=scores("test"),
        )


@pytest.mark.parametrize(
    ("images", "batch", "steps"),
    [
        (20, 64, 1000),
        (1250, 64, 1000),
        (1295, 64, 1100),
        (4708, 64, 2000),
        (20_000, 64, 4000),
        (60_000, 64, 7000),
        (10**6, 64, 8000),
        (1250, 8, 8000),
        (1250, 60, 1100),
    ],
)
def test_the_default_grows_with_the_square_root_of_the_images(images: int, batch: int, steps: int) -> None:
    assert default_steps(images, batch) == steps


@pytest.mark.parametrize(
    ("skill", "value", "tried"),
    [
        ({1000: 1.5, 2000: 1.5}, 1000, [1000, 2000]),
        ({1000: 1.5, 2000: 1.4}, 1000, [1000, 2000]),
        ({1000: 30.0, 2000: 30.0}, 1000, [1000, 2000]),  # an AUC of 1 on validation
        ({1000: 0.5, 2000: 3.0, 4000: 3.0}, 2000, [1000, 2000, 4000]),
        ({1000: 0.3, 2000: 1.5, 4000: 4.0}, 4000, [1000, 2000, 4000]),  # not further, whatever it gains
    ],
)
def test_twice_as_many_are_taken_while_the_validation_auc_gains(
    skill: dict[int, float], value: int, tried: list[int]
) -> None:
    trained = Trained(skill)
    chosen = choose_steps(MANIFEST, ASKED, trained)
    assert (chosen["value"], chosen["given"]) == (value, False)
    assert [row["steps"] for row in chosen["tried"]] == tried
    assert chosen["tried"][0]["gain"] is None
    for before, row in zip(chosen["tried"], chosen["tried"][1:], strict=False):
        assert row["gain"] == pytest.approx(row["validation_auc"] - before["validation_auc"])
    assert {(arm, seed) for cells in trained.asked for _, arm, seed in cells} == {("real", 0)}


def test_a_given_number_is_used_as_it_is_and_nothing_is_tried() -> None:
    trained = Trained({})
    assert choose_steps(MANIFEST, with_steps(ASKED, 7), trained) == {"value": 7, "given": True, "tried": None}
    assert trained.asked == []


def test_without_both_classes_in_validation_nothing_can_be_tried() -> None:
    studies = [
        dataclasses.replace(study, labels=(0,)) if study.split == "validation" else study for study in MANIFEST.studies
    ]
    alike = dataclasses.replace(MANIFEST, studies=tuple(studies))
    assert choose_steps(alike, ASKED, Trained({})) == {"value": FIRST, "given": False, "tried": None}


def test_every_arm_takes_the_steps_that_were_chosen_and_verify_follows() -> None:
    plan, trained = ComparisonPlan(ASKED, MANIFEST, ()), Trained({1000: 0.5, 2000: 3.0, 4000: 3.0})
    plan.check()
    settled = plan.settled(trained)
    cells = settled.cells(settled.ratio(trained), {})
    assert {cell.request["classifier"]["steps"] for cell in cells.all} == {2000}
    # The trained cell of the arm real is one of them, so it is not trained twice.
    assert cells.main[0].key in trained.results
    assert [cell.key for cell in cells.main] == [c.key for c in plan_cells(MANIFEST, [], with_steps(ASKED, 2000))]
    findings = settled.findings(cells, trained(cells.all, cells.what), trained, None)
    report = {"canaries": None}
    again, found = recomputed_comparison(plan, report, {}, trained.results)
    assert {result.steps for result in again} == {2000}
    assert dataclasses.replace(found, cells={}) == findings
    assert found.cells.keys() == trained.results.keys()  # what was tried is in the results' fingerprint too
    for steps in (1000, 4000):  # what was tried is part of what the report rests on
        kept = {key: result for key, result in trained.results.items() if result.steps != steps}
        with pytest.raises(CheckpointError, match="not there whole"):
            recomputed_comparison(plan, report, {}, kept)
