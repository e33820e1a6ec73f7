"""On what each part of a run was computed, gathered from the records beside the results.

A report that is written again on another machine, or by another version, says the same as before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gan_aug.compute.environment import recorded_environments
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.comparison_plan import ComparisonPlan
from gan_aug.run import layout
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import StageContext
from gan_aug.version import __version__

KEYS = ("gan_aug", "python", "torch", "numpy", "system", "cores", "gpu")
Environment = dict[str, Any]


def computed_on(context: StageContext, plan: ComparisonPlan, cells: Sequence[CellResult]) -> Environment:
    """The part `environment` of a report.

    Args:
        context: The run's.
        plan: The comparison.
        cells: The results on all training images.

    Returns:
        JSON values. The versions and the machine are those of most classifiers of the comparison. `compute` is the
        config's section of the last start that computed some of them. `computed` says for each machine and versions
        which stages, and how many classifiers, were computed there; its `environment` is None for what an earlier
        version computed and did not note. If no classifier has a note, the versions and the machine are those of the
        report that was there before, or None. `written_by` is the version that wrote this report.
    """
    classifiers = [cell.environment for cell in cells]
    parts = _Parts()
    for stage, found in _of_stages(context, plan).items():
        for one in found:
            parts.of(one)["stages"].append(stage)
        if not found:
            parts.of(None)["stages"].append(stage)
    for own in classifiers:
        parts.of(own)["classifiers"] += 1
    earlier = _earlier(context.run)
    noted = [one for one in classifiers if one is not None]
    most = max(noted, key=noted.count) if noted else {key: earlier.get(key) for key in KEYS}
    compared = recorded_environments(context.run.compare)
    compute = compared[-1].get("compute") if compared else earlier.get("compute")
    return {
        **most,
        "compute": compute or context.compute.model_dump(mode="json"),
        "computed": parts.listed,
        "written_by": __version__,
    }


class _Parts:
    """What was computed on each machine with the same versions, in the order in which they are met."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []

    def of(self, environment: Environment | None) -> dict[str, Any]:
        """The entry of an environment."""
        for entry in self.listed:
            if entry["environment"] == environment:
                return entry
        self.listed.append({"stages": [], "classifiers": 0, "environment": environment})
        return self.listed[-1]


def _of_stages(context: StageContext, plan: ComparisonPlan) -> dict[str, list[Environment]]:
    """The environments that were noted by each stage before the comparison that the run has."""
    run, made = context.run, plan.synthetic is not None and plan.synthetic.is_traced
    found: dict[str, list[Environment]] = {layout.DATASET: recorded_environments(run.dataset)}
    if made:
        found |= {layout.TRAIN: [], layout.SYNTHETIC: recorded_environments(context.storage.synthetic)}
    if made and plan.subsets:
        found[layout.SIZES] = []
    for path in sorted(run.path.rglob(layout.COMPUTED)):
        folders = path.relative_to(run.path).parts
        stage = layout.SIZES if folders[0] == layout.SIZES else folders[-2]
        noted = found.get(stage, []) if stage not in (layout.DATASET, layout.COMPARE) else []
        noted += [one for one in recorded_environments(path.parent) if one not in noted]
    return found


def _earlier(run: RunDir) -> Environment:
    """The environment in the report that is there; empty if there is none."""
    try:
        return dict(json.loads((run.path / layout.REPORT).read_text(encoding="utf-8"))["environment"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
