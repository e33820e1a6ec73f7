"""Recomputes what a comparison found from the scores of its cells: main results, ratio, curves, canaries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gan_aug.data.splits.subsets import Subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.cells.plan import Cell
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.comparison_plan import ComparisonPlan, Remembered, results_of


def recomputed_comparison(
    plan: ComparisonPlan,
    report: dict[str, Any],
    sets: Mapping[Subset, SyntheticManifest | None],
    on_disk: Mapping[str, CellResult],
) -> tuple[list[CellResult], Findings]:
    """The results behind a report, and its findings, from the cells on disk.

    Args:
        plan: The comparison that the report's own config asks for.
        report: The report. What its canaries with planted images showed is taken from it, since no cell shows it.
        sets: The synthetic set of each subset's own GAN.
        on_disk: The whole cells, by key.

    Returns:
        The results on all training images, by arm within seed, and the findings.

    Raises:
        CheckpointError: If a cell that the report needs is absent or altered.
    """

    def look_up(cells: Sequence[Cell], what: str) -> Mapping[str, CellResult]:  # noqa: ARG001 - the signature of `Results`
        absent = [cell for cell in cells if cell.key not in on_disk]
        if absent:
            first = f"the arm {absent[0].arm!r} with seed {absent[0].seed}"
            raise CheckpointError(
                f"{len(absent)} of the cells that report.json rests on are not there whole, {first} first"
            )
        return on_disk

    used = Remembered(look_up)
    plan = plan.settled(used)
    cells = plan.cells(plan.ratio(used), sets)
    found = used(cells.all, cells.what)
    findings = plan.findings(cells, found, used, report["canaries"] or {})
    return results_of(cells.main, found), dataclasses.replace(findings, cells=used.sums)
