"""The plan of a comparison: which cells it is made of, and how its findings follow from their results.

The cells depend on one another: the ratio that a search found is part of the main cells, and further shuffles are made
only when the first came out above chance. So whoever follows the plan says how results are got (`Results`): `compare`
computes them, `verify` looks them up. The steps are `check`, `ratio`, `cells`, the results of all of these, `findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ConfigError
from gan_aug.evaluation.arm_catalogue import need_synthetic
from gan_aug.evaluation.canaries import plan_shuffled, shuffled_labels
from gan_aug.evaluation.cells.plan import Cell, plan_cells
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.ratio import choose_ratio, plan_search
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

Results = Callable[[Sequence[Cell], str], Mapping[str, CellResult]]
"""Gives the results of cells by key (it may give more); the text tells people what the cells are for."""


@dataclass(frozen=True)
class PlannedCells:
    """The cells of a comparison whose ratio is known: all but further shuffles, which only few comparisons need.

    `ratio` is {`value`, `searched`} as `ComparisonPlan.ratio` gives it, `what` says what the cells are for. `main` are
    the cells on all training images, by arm within seed; `shuffles` are the first canary's; `of_subsets` are those of
    the learning curves.
    """

    ratio: dict[str, Any]
    what: str
    main: list[Cell]
    shuffles: list[Cell]
    of_subsets: dict[Subset, list[Cell]]

    @property
    def all(self) -> list[Cell]:
        """Every one of them, in the order in which they are computed."""
        return [*self.main, *self.shuffles, *chain(*self.of_subsets.values())]


@dataclass(frozen=True)
class ComparisonPlan:
    """What `config` asks of a data set and of its synthetic set, which is None when no arm needs one."""

    config: Config
    manifest: Manifest
    synthetic: SyntheticManifest | None

    @property
    def needs_synthetic(self) -> bool:
        """Whether some arm trains on synthetic images, so that each subset of the curves needs a GAN too."""
        return need_synthetic(self.config.compare.arms)

    @property
    def subsets(self) -> list[Subset]:
        """The parts of the training split that the learning curves need; raises what `subsets_of` raises."""
        return subsets_of(self.config, self.manifest)

    def check(self) -> None:
        """Find what can be found before anything is trained; raises what `plan_cells` and `subsets_of` raise."""
        plan_cells(self.manifest, self.synthetic, self.config)
        subsets_of(self.config, self.manifest)

    def ratio(self, results: Results) -> dict[str, Any]:
        """Synthetic images for each real one, as JSON values: as asked, or what a search found and what it saw."""
        compare = self.config.compare
        if compare.ratio != "search" or self.synthetic is None:
            return {"value": compare.largest_ratio, "searched": None}
        cells = plan_search(self.manifest, self.synthetic, self.config)
        tried = ", ".join(f"{ratio:g}" for ratio in compare.ratios)
        found = results(cells, f"the ratios {tried} on validation images")
        return choose_ratio(self.manifest, cells, _in_order(cells, found))

    def cells(self, ratio: dict[str, Any], sets: Mapping[Subset, SyntheticManifest | None]) -> PlannedCells:
        """The cells at this ratio; `sets` holds the synthetic set of each subset's own GAN, for arms that need one."""
        config, manifest, value = self.config, self.manifest, ratio["value"]
        main = plan_cells(manifest, self.synthetic, config, ratio=value)
        shuffles = plan_shuffled(manifest, config) if config.compare.canaries else []
        of_subsets = {
            subset: plan_cells(
                take(manifest, subset, config.seed), sets.get(subset), config, ratio=value, subset=subset
            )
            for subset in self.subsets
        }
        what = f"{', '.join(config.compare.arms)} x {config.compare.seeds} seeds"
        if shuffles:
            what += f", and {len(shuffles)} of canaries"
        return PlannedCells(ratio, what, main, shuffles, of_subsets)

    def findings(
        self,
        cells: PlannedCells,
        found: Mapping[str, CellResult],
        results: Results,
        planted_test_image: dict[str, Any] | None,
    ) -> Findings:
        """What the comparison shows beside its arms.

        Args:
            cells: what `cells` gave.
            found: the results of `cells.all`, by key.
            results: how the results of further shuffles are got, when they have to decide.
            planted_test_image: what the second canary says, which needs no cell; None without canaries.
        """
        points: dict[Subset | None, list[CellResult]] = {
            subset: _in_order(own, found) for subset, own in cells.of_subsets.items()
        }
        if "all" in self.config.compare.sizes:
            points[None] = _in_order(cells.main, found)
        curves = curve_rows(GroundTruth.of(self.manifest, "test"), points) if points else None

        def further(shuffles: Sequence[Cell]) -> list[CellResult]:
            return _in_order(shuffles, results(shuffles, "further shuffles, as the first came out above chance"))

        canaries = None
        if cells.shuffles:
            said = shuffled_labels(self.manifest, self.config, _in_order(cells.shuffles, found), further)
            canaries = {"shuffled_labels": said, "planted_test_image": planted_test_image}
        return Findings(cells.ratio, curves, canaries)


def subsets_of(config: Config, manifest: Manifest) -> list[Subset]:
    """The subsets that the sizes asked for need, none for `all`; raises ConfigError for a size that is none."""
    available = len(manifest.indices("train"))
    sizes = [size for size in config.compare.sizes if size != "all"]
    for size in sizes:
        if size >= available:
            raise ConfigError(
                f"compare.sizes: {size} is no part of the {available} training images of {manifest.name}: leave it "
                "out, or write `all` for every one"
            )
    return [Subset(size, draw) for size in sizes for draw in range(config.compare.draws)]


def _in_order(cells: Sequence[Cell], found: Mapping[str, CellResult]) -> list[CellResult]:
    return [found[cell.key] for cell in cells]
