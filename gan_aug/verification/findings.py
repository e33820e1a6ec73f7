"""What a comparison found beside its main cells, taken from the cells' scores again: ratio, curves, canaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.canaries import plan_shuffled, shuffled_labels
from gan_aug.evaluation.cells.plan import Cell, plan_cells
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.ratio import choose_ratio, plan_search
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

SubsetSets = Mapping[Subset, SyntheticManifest | None]


def results_of(planned: Sequence[Cell], cells: Mapping[str, CellResult]) -> list[CellResult]:
    """The results of planned cells; raises CheckpointError where some are not there whole."""
    absent = [cell for cell in planned if cell.key not in cells]
    if absent:
        first = f"the arm {absent[0].arm!r} with seed {absent[0].seed}"
        raise CheckpointError(
            f"{len(absent)} of the cells that report.json rests on are not there whole, {first} first"
        )
    return [cells[cell.key] for cell in planned]


def findings_again(
    report: dict[str, Any],
    config: Config,
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    subsets: SubsetSets,
    cells: Mapping[str, CellResult],
) -> Findings:
    """The findings of a report made again; the planted image of the canaries, which needs no cell, is as reported."""
    ratio = {"value": config.compare.largest_ratio, "searched": None}
    if config.compare.ratio == "search" and synthetic is not None:
        searched = plan_search(manifest, synthetic, config)
        ratio = choose_ratio(manifest, searched, results_of(searched, cells))
    canaries = None
    if config.compare.canaries:
        shuffles = results_of(plan_shuffled(manifest, config), cells)
        said = shuffled_labels(manifest, config, shuffles, partial(results_of, cells=cells))
        canaries = {**(report["canaries"] or {}), "shuffled_labels": said}
    points: dict[Subset | None, list[CellResult]] = {}
    for size in (size for size in config.compare.sizes if size != "all"):
        for subset in (Subset(size, draw) for draw in range(config.compare.draws)):
            part, own = take(manifest, subset, config.seed), subsets.get(subset)
            planned = plan_cells(part, own, config, ratio=ratio["value"], subset=subset)
            points[subset] = results_of(planned, cells)
    if "all" in config.compare.sizes:
        points[None] = results_of(plan_cells(manifest, synthetic, config, ratio=ratio["value"]), cells)
    return Findings(ratio, curve_rows(GroundTruth.of(manifest, "test"), points) if points else None, canaries)
