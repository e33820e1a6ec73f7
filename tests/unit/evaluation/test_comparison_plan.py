"""The plan of a comparison, followed with results made up by the test: nothing is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.errors import CheckpointError, ConfigError
from gan_aug.evaluation.cells.plan import Cell, plan_cells
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.comparison_plan import ComparisonPlan, subsets_of
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.verification.findings import recomputed_comparison
from tests.support.evaluation_samples import make_cells, make_config, make_manifest, make_synthetic

MANIFEST = make_manifest()
SYNTHETIC = make_synthetic(MANIFEST, 240)
SAMPLE = make_cells(MANIFEST, ("real",), 1)[0]
BEST = 2.0
PLANTED = {
    "planted_test_image": {"passed": True, "refused": {"trained_on": True, "content": True}},
    "watched_training": {"refused": {"test": True, "validation": True}},
}


class Computed:
    """Stands for the computing of cells: scores by chance, better at the ratio BEST, and a record of what was asked."""

    def __init__(self, shuffles: Callable[[int], float] = lambda seed: 0.0) -> None:
        self.asked: list[tuple[str, int]] = []
        self.results: dict[str, CellResult] = {}
        self._leak_of = shuffles

    def __call__(self, cells: Sequence[Cell], what: str) -> Mapping[str, CellResult]:
        self.asked.append((what, len(cells)))
        self.results |= {cell.key: self._result(cell) for cell in cells}
        return self.results

    def _result(self, cell: Cell) -> CellResult:
        rng = np.random.default_rng(list(bytes.fromhex(cell.key[:16])))
        leak = self._leak_of(cell.seed) if cell.request.get("shuffled") else 1.0 + (cell.request["ratio"] == BEST)

        def scores(split: str) -> np.ndarray:
            right = MANIFEST.label_matrix()[MANIFEST.indices(split)].astype(np.float64)
            return leak * right + rng.normal(size=right.shape)

        return dataclasses.replace(
            SAMPLE,
            key=cell.key,
            arm=cell.arm,
            seed=cell.seed,
            train_images={"real": cell.subset.size if cell.subset else 120, "synthetic": 0},
            validation_scores=scores("validation"),
            test_scores=scores("test"),
        )


def plan_of(**compare: object) -> ComparisonPlan:
    asked = {"arms": ["real", "mixed"], "seeds": 2, "ratio": "search", "ratios": [0.5, 1.0, BEST], **compare}
    return ComparisonPlan(make_config(**asked).compare_request, MANIFEST, (SYNTHETIC,))


def sets_of(plan: ComparisonPlan) -> dict[Subset, object]:
    """A synthetic set for each subset, of a GAN that saw the subset's first training image."""
    sets = {}
    for subset in plan.subsets:
        part = take_subset(MANIFEST, subset, plan.request.seed)
        seen = part.studies[part.indices("train")[0]].content
        sets[subset] = dataclasses.replace(SYNTHETIC, dataset=part.fingerprint, trained_on=(seen,))
    return sets


def follow(plan: ComparisonPlan, computed: Computed) -> tuple[list[CellResult], object]:
    """The steps in their order, as `compare` takes them."""
    plan.check()
    plan = plan.settled(computed)
    cells = plan.cells(plan.ratio(computed), sets_of(plan))
    found = computed(cells.all, cells.what)
    planted = PLANTED if cells.shuffles else {}
    return [found[cell.key] for cell in cells.main], plan.findings(cells, found, computed, planted)


def test_the_cells_come_in_one_order_and_hold_the_ratio_that_was_found() -> None:
    plan, computed = plan_of(sizes=[20, 60, "all"], draws=2), Computed()
    results, findings = follow(plan, computed)
    assert findings.ratio["value"] == BEST
    assert [row["ratio"] for row in findings.ratio["searched"]] == [0.5, 1.0, BEST]
    assert computed.asked == [
        ("the ratios 0.5, 1, 2 on validation images", 6),
        ("real, mixed x 2 seeds, and 5 of canaries", 4 + 5 + 4 * 4),
    ]
    assert [(result.arm, result.seed) for result in results] == [("real", 0), ("mixed", 0), ("real", 1), ("mixed", 1)]
    assert [r.key for r in results] == [c.key for c in plan_cells(MANIFEST, [SYNTHETIC], plan.request, ratio=BEST)]
    plan = plan.settled(computed)
    assert [cell.subset for cell in plan.cells(findings.ratio, sets_of(plan)).all] == [
        *[None] * 9,
        *(Subset(size, draw) for size in (20, 60) for draw in (0, 1) for _ in range(4)),
    ]


def test_the_curves_last_point_is_the_main_comparison() -> None:
    results, findings = follow(plan_of(sizes=[20, "all"], draws=2, canaries=False), Computed())
    assert [(row["size"], row["arm"], row["draws"]) for row in findings.curves] == [
        (20, "real", 2),
        (20, "mixed", 2),
        (120, "real", 1),
        (120, "mixed", 1),
    ]
    truth = GroundTruth.of(MANIFEST, "test")
    real = [truth.auc(result.test_scores).value for result in results if result.arm == "real"]
    assert findings.curves[2]["auc"]["value"] == pytest.approx(sum(real) / 2)
    assert findings.canaries is None


@pytest.mark.parametrize(
    ("leak", "passed", "further"),
    [(lambda seed: 0.0, True, []), (lambda seed: 2.0 * (seed < 5), True, [10]), (lambda seed: 2.0, False, [10])],
    ids=["by chance", "above chance once", "above chance twice"],
)
def test_further_shuffles_are_asked_for_when_the_first_came_out_above_chance(leak, passed, further) -> None:
    computed = Computed(leak)
    _, findings = follow(plan_of(), computed)
    assert findings.canaries["shuffled_labels"]["passed"] is passed
    assert findings.canaries["planted_test_image"] == PLANTED["planted_test_image"]
    assert findings.canaries["watched_training"]["cells"] == 2 * 2 + 5
    why = "further shuffles, as the first ones are above chance"
    assert [count for what, count in computed.asked if what == why] == further


@pytest.mark.parametrize("compare", [{}, {"ratio": 1.0, "canaries": False}, {"sizes": [20, "all"], "draws": 2}])
def test_what_was_computed_is_found_again_from_the_kept_cells(compare) -> None:
    plan, computed = plan_of(**compare), Computed(lambda seed: 2.0)
    results, findings = follow(plan, computed)
    report = {"canaries": findings.canaries}
    again, found = recomputed_comparison(plan, report, sets_of(plan), computed.results)
    assert [result.key for result in again] == [result.key for result in results]
    assert dataclasses.replace(found, cells={}) == findings
    assert found.cells.keys() == computed.results.keys()
    for key in computed.results:
        kept = {other: result for other, result in computed.results.items() if other != key}
        with pytest.raises(CheckpointError, match="1 of the cells that report.json rests on are not there whole"):
            recomputed_comparison(plan, report, sets_of(plan), kept)


def test_without_an_arm_of_synthetic_images_there_is_nothing_to_search_and_no_gan_to_train() -> None:
    plan = ComparisonPlan(
        make_config(arms=["real", "classic"], sizes=[20], draws=1, seeds=1).compare_request, MANIFEST, ()
    )
    assert not plan.needs_synthetic
    assert plan.ratio(Computed()) == {"value": 1.0, "searched": None}
    assert [cell.arm for cell in plan.cells({"value": 1.0, "searched": None}, {}).of_subsets[Subset(20, 0)]] == [
        "real",
        "classic",
    ]
    assert plan_of().needs_synthetic


def test_a_size_that_is_no_part_of_the_training_split_is_refused() -> None:
    assert subsets_of(make_config(sizes=[119, "all"], draws=2).compare, MANIFEST) == [Subset(119, 0), Subset(119, 1)]
    with pytest.raises(ConfigError, match="compare.sizes: 120 is not less than the 120 training images"):
        plan_of(sizes=[120]).check()
