"""The plan of a comparison: which cells it consists of, and how its findings follow from their results.

Some cells depend on the results of others: all need the number of optimiser steps, the main cells need the ratio that
a search found, and further shuffles are made only if the first ones are above chance. So the caller says how to get
results (`Results`): `compare` computes them, and `verify` reads them. The steps are `check`, `settled`, and of the plan
that this returns `ratio`, `cells`, the results of all these cells, and `findings`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gan_aug.config.compare import CompareConfig
from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ConfigError
from gan_aug.evaluation.arm_catalogue import ARMS, need_synthetic
from gan_aug.evaluation.canaries import plan_shuffled, shuffled_labels, watched_training
from gan_aug.evaluation.cells.plan import Cell, plan_cells
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.ratio import choose_ratio, plan_search
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.training_length import choose_steps, with_steps

Results = Callable[[Sequence[Cell], str], Mapping[str, CellResult]]
"""Returns the results of the given cells by key (and perhaps of others). The text says what the cells are for."""


class Remembered:
    """Results that remember which cells were asked for: those that a report rests on.

    `sums` has the SHA-256 of each cell's files, by its key and the file's name.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.sums: dict[str, dict[str, str]] = {}

    def __call__(self, cells: Sequence[Cell], what: str) -> Mapping[str, CellResult]:
        """See Results."""
        found = self._results(cells, what)
        self.sums |= {cell.key: found[cell.key].sums for cell in cells}
        return found


@dataclass(frozen=True)
class PlannedCells:
    """The cells of a comparison whose ratio is known, without the further shuffles, which few comparisons need.

    Attributes:
        ratio: {`value`, `searched`}, as `ComparisonPlan.ratio` returns it.
        what: What the cells are for, as a text.
        main: The cells on all training images, seed by seed.
        shuffles: The cells of the first canary.
        of_subsets: The cells of the learning curves.
    """

    ratio: dict[str, Any]
    what: str
    main: list[Cell]
    shuffles: list[Cell]
    of_subsets: dict[Subset, list[Cell]]

    @property
    def all(self) -> list[Cell]:
        """All cells, in the order in which they are computed."""
        return [*self.main, *self.shuffles, *chain(*self.of_subsets.values())]


@dataclass(frozen=True)
class ComparisonPlan:
    """The comparison that a request asks for.

    Attributes:
        request: What is asked.
        manifest: The data set.
        sets: The synthetic set of each GAN; empty if no arm needs one.
        steps: {`value`, `given`, `tried`}, as `choose_steps` returns it; None before `settled`.
    """

    request: CompareRequest
    manifest: Manifest
    sets: tuple[SyntheticManifest, ...]
    steps: dict[str, Any] | None = None

    @property
    def synthetic(self) -> SyntheticManifest | None:
        """The synthetic set of GAN 0, if there is one."""
        return self.sets[0] if self.sets else None

    @property
    def needs_synthetic(self) -> bool:
        """Whether an arm trains on synthetic images; each subset of the learning curves then needs its own GAN."""
        return need_synthetic(self.request.compare.arms)

    @property
    def subsets(self) -> list[Subset]:
        """The subsets that the learning curves need; raises the errors of `subsets_of`."""
        return subsets_of(self.request.compare, self.manifest)

    def check(self) -> None:
        """Check all that can be checked before training; raises the errors of `plan_cells` and `subsets_of`."""
        plan_cells(self.manifest, self.sets, self.request)
        subsets_of(self.request.compare, self.manifest)

    def settled(self, results: Results) -> ComparisonPlan:
        """This plan with the number of optimiser steps, as the config gives it or as `choose_steps` finds it."""
        steps = choose_steps(self.manifest, self.request, results)
        return dataclasses.replace(self, request=with_steps(self.request, steps["value"]), steps=steps)

    def ratio(self, results: Results) -> dict[str, Any]:
        """The ratio of synthetic to real images, as the config gives it or as a search finds it.

        Returns JSON values: `value`, and `searched` as in `choose_ratio`, or None without a search.
        """
        compare = self.request.compare
        if compare.ratio != "search" or not self.sets:
            return {"value": compare.largest_ratio, "searched": None}
        cells = plan_search(self.manifest, self.sets, self.request)
        tried = ", ".join(f"{ratio:g}" for ratio in compare.ratios)
        found = results(cells, f"the ratios {tried} on validation images")
        return choose_ratio(self.manifest, cells, results_of(cells, found))

    def cells_without_gan(self) -> list[Cell]:
        """The cells of a settled plan, on all training images, that need no synthetic image.

        They can be computed before any image is made: the sets need no more than their labels.
        """
        request, searched = self.request, self.request.compare.ratio == "search"
        cells = plan_cells(self.manifest, self.sets, request)
        shuffles = plan_shuffled(self.manifest, request) if request.compare.canaries else []
        return [
            cell for cell in (*cells, *shuffles) if cell.gan is None and not (searched and ARMS[cell.arm].needs_ratio)
        ]

    def cells(self, ratio: dict[str, Any], sets: Mapping[Subset, SyntheticManifest | None]) -> PlannedCells:
        """The cells at a ratio.

        Args:
            ratio: The result of `ratio`.
            sets: The synthetic set of each subset, if arms need one.
        """
        request, manifest, value = self.request, self.manifest, ratio["value"]
        main = plan_cells(manifest, self.sets, request, ratio=value)
        shuffles = plan_shuffled(manifest, request) if request.compare.canaries else []
        of_subsets = {
            subset: plan_cells(
                take_subset(manifest, subset, request.seed),
                [own] if (own := sets.get(subset)) else [],
                request,
                ratio=value,
                subset=subset,
            )
            for subset in self.subsets
        }
        what = f"{', '.join(request.compare.arms)} x {request.compare.seeds} seeds"
        if shuffles:
            what += f", and {len(shuffles)} of canaries"
        return PlannedCells(ratio, what, main, shuffles, of_subsets)

    def findings(
        self,
        cells: PlannedCells,
        found: Mapping[str, CellResult],
        results: Results,
        planted: Mapping[str, Any],
    ) -> Findings:
        """What the comparison shows in addition to its arms.

        Args:
            cells: The result of `cells`.
            found: The results of `cells.all`, by key.
            results: Returns the results of further shuffles, if they are needed.
            planted: What the canaries with planted images showed, which no cell does: `planted_test_image`, and the
                `refused` of `watched_training`; empty without canaries.
        """
        points: dict[Subset | None, list[CellResult]] = {
            subset: results_of(own, found) for subset, own in cells.of_subsets.items()
        }
        if "all" in self.request.compare.sizes:
            points[None] = results_of(cells.main, found)
        curves = curve_rows(GroundTruth.of(self.manifest, "test"), points) if points else None

        def further(shuffles: Sequence[Cell]) -> list[CellResult]:
            return results_of(shuffles, results(shuffles, "further shuffles, as the first ones are above chance"))

        canaries = None
        if cells.shuffles:
            shuffled = shuffled_labels(self.manifest, self.request, results_of(cells.shuffles, found), further)
            canaries = {"shuffled_labels": shuffled, "planted_test_image": planted["planted_test_image"]}
            if watched := planted.get("watched_training"):  # a report of an earlier version has none
                canaries["watched_training"] = watched_training(watched["refused"], results_of(cells.all, found))
        return Findings(cells.ratio, curves, canaries, self.steps)


def subsets_of(compare: CompareConfig, manifest: Manifest) -> list[Subset]:
    """The subsets for `compare.sizes`; `all` needs none. Raises ConfigError for a size that is not a part."""
    available = len(manifest.indices("train"))
    sizes = [size for size in compare.sizes if size != "all"]
    for size in sizes:
        if size >= available:
            raise ConfigError(
                f"compare.sizes: {size} is not less than the {available} training images of {manifest.name}: leave it "
                "out, or write `all` for all images"
            )
    return [Subset(size, draw) for size in sizes for draw in range(compare.draws)]


def results_of(cells: Sequence[Cell], found: Mapping[str, CellResult]) -> list[CellResult]:
    """The results of cells in their order, each with the number of its GAN.

    Args:
        cells: The planned cells.
        found: Their results, by key.
    """
    return [dataclasses.replace(found[cell.key], gan=cell.gan) for cell in cells]
