"""Runs a comparison: searches the ratio, trains the curves' GANs, then computes every cell, canaries included."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from gan_aug.compute.environment import record_environment
from gan_aug.config.stages import CompareRequest, CurveRequest
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.evaluation.canaries import failures, planted_in_training, planted_test_image
from gan_aug.evaluation.cells.plan import Cell, unique
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.cells.run import finished_cell, is_finished, load_context, run_cell
from gan_aug.evaluation.comparison_plan import ComparisonPlan, Remembered, results_of
from gan_aug.run import layout
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import StageContext
from gan_aug.stages.gans.curve_sets import make_synthetic_sets, subset_dir


def run_comparison(
    context: StageContext, plan: ComparisonPlan, curves: CurveRequest
) -> tuple[list[CellResult], Findings]:
    """Compute the cells of a comparison that are not there yet.

    Args:
        context: The run's.
        plan: The comparison.
        curves: The request of the learning curves' GANs, used if the plan has curves.

    Returns:
        The results on all training images, by arm within seed, and the findings beside them.

    Raises:
        GanAugError: What planning and running cells raise; before any training if it can be known by then.
    """
    run = context.run
    plan.check()
    compute = Remembered(partial(_compute, context, len(plan.sets)))
    plan = plan.settled(compute)
    if plan.steps and plan.steps["tried"]:
        run.emit("compare", "note", f"{plan.steps['value']} optimiser steps in every arm, chosen on validation AUC")
    ratio = plan.ratio(compute)
    if ratio["searched"]:
        run.emit("compare", "note", f"{ratio['value']:g} synthetic images for each real one, chosen on validation AUC")
    if plan.needs_synthetic:
        make_synthetic_sets(context, curves, plan.subsets)
    cells = plan.cells(ratio, _synthetic_sets(run, plan))
    results = compute(cells.all, cells.what)
    _name_cells(run, cells.main)
    planted = _planted(run, plan) if cells.shuffles else {}
    findings = plan.findings(cells, results, compute, planted)
    for failure in failures(findings.canaries) if findings.canaries else ():
        run.emit("compare", "note", f"CANARY FAILED: {failure}")
    return results_of(cells.main, results), dataclasses.replace(findings, cells=compute.sums)


def early_cells(
    context: StageContext, request: CompareRequest, manifest: Manifest, planned: tuple[tuple[int, ...], ...]
) -> list[Cell]:
    """The cells that need no synthetic image, planned before there is any; the number of steps is settled first.

    Args:
        context: The run's.
        request: The comparison.
        manifest: The data set.
        planned: The labels of the synthetic images that will be made.
    """
    of_set = manifest.labels, manifest.task, manifest.shape, 0, "planned", manifest.fingerprint
    plan = ComparisonPlan(request, manifest, (SyntheticManifest(*of_set, (), planned, ()),))
    return plan.settled(partial(_compute, context, 0)).cells_without_gan()


def _compute(context: StageContext, sets: int, cells: Sequence[Cell], what: str) -> dict[str, CellResult]:
    """Compute every cell that is not finished; the results by key. `sets`: how many synthetic sets cells need."""
    run, storage = context.run, context.storage
    cells = unique(cells)
    run.cells.mkdir(parents=True, exist_ok=True)
    missing = [cell for cell in cells if not is_finished(run.cells / cell.key, storage.cells)]
    there = f"; {len(cells) - len(missing)} are there" if len(missing) < len(cells) else ""
    run.emit("compare", "start", f"{len(cells)} cells: {what}{there}")
    if missing:
        record_environment(run.compare, {"compute": context.compute.model_dump(mode="json")})
    setup = partial(
        load_context,
        run.dataset,
        [storage.gan(gan).synthetic for gan in range(sets)],
        run.cells,
        context.compute.device,  # each worker chooses its own device: this process may be on another machine
        subset_sets=storage.sizes if sets else None,
        stored_dataset=storage.dataset,
        stored_cells=storage.cells,
    )
    work = partial(run_cell, cancelled=partial(os.path.exists, run.cancel_mark))
    finished = context.executor.map(work, missing, setup=setup, cancelled=run.cancelled)
    for done, (index, _) in enumerate(finished, start=len(cells) - len(missing) + 1):
        run.emit("compare", "progress", _named(missing[index]), done=done, total=len(cells), unit="cells")
    return {cell.key: finished_cell(run.cells / cell.key, storage.cells) for cell in cells}


def _named(cell: Cell) -> str:
    """A cell in a few words, for people."""
    of = f", {cell.subset.size} images, draw {cell.subset.draw}" if cell.subset else ""
    why = " at ratio {ratio:g}, for the search" if cell.request.get("search") else ""
    why += " with shuffled labels" if cell.request.get("shuffled") else ""
    return f"{cell.arm}{why.format_map(cell.request)}, seed {cell.seed}{of}"


def _synthetic_sets(run: RunDir, plan: ComparisonPlan) -> dict[Subset, SyntheticManifest]:
    """The synthetic set of each subset's own GAN; empty if no arm needs one."""
    if not plan.needs_synthetic:
        return {}
    places = {subset: subset_dir(run.path, subset).synthetic / layout.MANIFEST for subset in plan.subsets}
    return {subset: SyntheticManifest.load(place) for subset, place in places.items()}


def _planted(run: RunDir, plan: ComparisonPlan) -> dict[str, Any]:
    """What the canaries with planted images show."""
    manifest, images = plan.manifest, open_images(run.dataset, plan.manifest)
    first = images[manifest.indices("test")[0]]
    return {
        "planted_test_image": planted_test_image(manifest, plan.synthetic, first),
        "watched_training": {"refused": planted_in_training(manifest, plan.request.classifier, images)},
    }


def _name_cells(run: RunDir, cells: Sequence[Cell]) -> None:
    """Save which cells the comparison consists of, so that `predict` finds its classifiers."""
    arms: dict[str, list[str]] = {}
    for cell in cells:
        arms.setdefault(cell.arm, []).append(cell.key)
    write_json(run.compare / layout.CELL_INDEX, {"schema": 1, "arms": arms})
