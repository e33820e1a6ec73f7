"""Running a comparison: the ratio is searched, the curves' GANs are trained, then every cell, canaries among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from gan_aug.compute.executor import Executor
from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take
from gan_aug.data.store import open_images
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.evaluation.arms import needs_synthetic
from gan_aug.evaluation.canaries import failures, plan_shuffled, planted_test_image, shuffled_labels
from gan_aug.evaluation.cells.files import CELLS
from gan_aug.evaluation.cells.plan import Cell, plan_cells, unique
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.cells.run import finished_cell, is_finished, load_context, run_cell
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.ratio import choose_ratio, plan_search
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.curve_sets import SubsetDir, make_synthetic_sets, subsets_of
from gan_aug.stages.storage import storage_of

Points = dict[Subset | None, list[CellResult]]


def run_comparison(
    request: Config, run: RunDir, manifest: Manifest, synthetic: SyntheticManifest | None, executor: Executor
) -> tuple[list[CellResult], Findings]:
    """The cells of the comparison on all training images, by arm within seed, and what was found beside them.

    Raises what planning and running cells raise, before anything is trained where it can be known by then.
    """
    plan_cells(manifest, synthetic, request)
    subsets = subsets_of(request, manifest)
    compute = partial(_compute, request, run, synthetic, executor)
    ratio = _ratio(request, run, manifest, synthetic, compute)
    if any(needs_synthetic(arm) for arm in request.compare.arms):
        make_synthetic_sets(request, run, subsets, executor)
    main = plan_cells(manifest, synthetic, request, ratio=ratio["value"])
    shuffles = plan_shuffled(manifest, request) if request.compare.canaries else []
    of_subsets = {subset: _plan_subset(request, run, manifest, subset, ratio["value"]) for subset in subsets}
    arms, seeds = ", ".join(request.compare.arms), request.compare.seeds
    what = f"{arms} x {seeds} seeds" + (f", and {len(shuffles)} of canaries" if shuffles else "")
    results = compute([*main, *shuffles, *chain(*of_subsets.values())], what)
    _name_cells(run, main)
    points: Points = {subset: [results[cell.key] for cell in cells] for subset, cells in of_subsets.items()}
    if "all" in request.compare.sizes:
        points[None] = [results[cell.key] for cell in main]
    curves = curve_rows(GroundTruth.of(manifest, "test"), points) if points else None
    canaries = None
    if shuffles:
        first = [results[cell.key] for cell in shuffles]
        canaries = _canaries(request, run, manifest, synthetic, first, compute)
    return [results[cell.key] for cell in main], Findings(ratio, curves, canaries)


def _compute(
    request: Config,
    run: RunDir,
    synthetic: SyntheticManifest | None,
    executor: Executor,
    cells: Sequence[Cell],
    what: str,
) -> dict[str, CellResult]:
    """Have every cell computed that is not there yet; the results by key."""
    cells = unique(cells)
    folder = run.compare / "cells"
    folder.mkdir(exist_ok=True)
    storage = storage_of(run, request.compute.storage)
    missing = [cell for cell in cells if not is_finished(folder / cell.key, storage.cells)]
    there = f"; {len(cells) - len(missing)} are there" if len(missing) < len(cells) else ""
    run.emit("compare", "start", f"{len(cells)} cells: {what}{there}")
    setup = partial(
        load_context,
        run.dataset,
        storage.synthetic if synthetic else None,
        folder,
        request.compute.device,  # what each worker chooses by: this process may stand on another machine
        sizes=storage.sizes if synthetic else None,
        stored_dataset=storage.dataset,
        stored_cells=storage.cells,
    )
    work = partial(run_cell, cancelled=partial(os.path.exists, run.cancel_mark))
    finished = executor.map(work, missing, setup=setup, cancelled=run.cancelled)
    for done, (index, _) in enumerate(finished, start=len(cells) - len(missing) + 1):
        run.emit("compare", "progress", _named(missing[index]), done=done, total=len(cells), unit="cells")
    return {cell.key: finished_cell(folder / cell.key, storage.cells) for cell in cells}


def _named(cell: Cell) -> str:
    """What a cell is, for people."""
    of = f", {cell.subset.size} images, draw {cell.subset.draw}" if cell.subset else ""
    why = " at ratio {ratio:g}, for the search" if cell.request.get("search") else ""
    why += " with shuffled labels" if cell.request.get("shuffled") else ""
    return f"{cell.arm}{why.format_map(cell.request)}, seed {cell.seed}{of}"


def _ratio(
    request: Config,
    run: RunDir,
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    compute: Callable[[Sequence[Cell], str], dict[str, CellResult]],
) -> dict[str, Any]:
    """The ratio of `mixed`: as asked, or the one a search found, with what the search saw."""
    if request.compare.ratio != "search" or synthetic is None:
        return {"value": request.compare.largest_ratio, "searched": None}
    cells = plan_search(manifest, synthetic, request)
    ratios = ", ".join(f"{ratio:g}" for ratio in request.compare.ratios)
    results = compute(cells, f"the ratios {ratios} on validation images")
    ratio = choose_ratio(manifest, cells, [results[cell.key] for cell in cells])
    run.emit("compare", "note", f"{ratio['value']:g} synthetic images for each real one, chosen on validation AUC")
    return ratio


def _plan_subset(request: Config, run: RunDir, manifest: Manifest, subset: Subset, ratio: float) -> list[Cell]:
    """The cells of one subset, with the synthetic set of its own GAN."""
    wanted = any(needs_synthetic(arm) for arm in request.compare.arms)
    own = SubsetDir(run.path, subset).synthetic / "manifest.json"
    synthetic = SyntheticManifest.load(own) if wanted else None
    return plan_cells(take(manifest, subset, request.seed), synthetic, request, ratio=ratio, subset=subset)


def _canaries(
    request: Config,
    run: RunDir,
    manifest: Manifest,
    synthetic: SyntheticManifest | None,
    shuffles: Sequence[CellResult],
    compute: Callable[[Sequence[Cell], str], dict[str, CellResult]],
) -> dict[str, Any]:
    """What the canaries say; one that failed is said at once too."""

    def further(cells: Sequence[Cell]) -> list[CellResult]:
        results = compute(cells, "further shuffles, as the first came out above chance")
        return [results[cell.key] for cell in cells]

    image = open_images(run.dataset, manifest)[manifest.indices("test")[0]]
    canaries = {
        "shuffled_labels": shuffled_labels(manifest, request, shuffles, further),
        "planted_test_image": planted_test_image(manifest, synthetic, image),
    }
    for failure in failures(canaries):
        run.emit("compare", "note", f"CANARY FAILED: {failure}")
    return canaries


def _name_cells(run: RunDir, cells: Sequence[Cell]) -> None:
    """Write down which cells the comparison is made of, for who wants a classifier of it."""
    arms: dict[str, list[str]] = {}
    for cell in cells:
        arms.setdefault(cell.arm, []).append(cell.key)
    write_json(run.compare / CELLS, {"schema": 1, "arms": arms})
