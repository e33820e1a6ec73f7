"""Verifies the report of a comparison: its figures, recomputed from the scores of its cells."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_aug import config as configs
from gan_aug.config.compare import CompareConfig
from gan_aug.config.gan import SynthesisConfig
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, ConfigError, DataError
from gan_aug.evaluation.baseline import baseline_figures
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.checkpoints.trainings import trainings_of
from gan_aug.evaluation.comparison_plan import ComparisonPlan
from gan_aug.evaluation.fidelity.run import stored_fidelity
from gan_aug.evaluation.held_out_copies import load_held_out_copies
from gan_aug.evaluation.outcome.figures import build_report
from gan_aug.evaluation.outcome.files import scores_tables
from gan_aug.evaluation.outcome.fingerprint import NOT_FIGURES, results_fingerprint
from gan_aug.evaluation.outcome.margins import load_margins
from gan_aug.report import to_markdown
from gan_aug.report.pages.titled import titled_text
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.stages.audit.sets import audits_of
from gan_aug.stages.external import maker_of
from gan_aug.stages.gans.parts import gan_count
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link, broken_link
from gan_aug.verification.curve_sets import synthetic_sets
from gan_aug.verification.findings import recomputed_comparison
from gan_aug.verification.gans import Sets, training_differences
from gan_aug.verification.rescored import CELLS
from gan_aug.version import __version__

BASELINE_TOLERANCE = 1e-4
"""Another processor may round the baseline's scores otherwise, so that two images change places."""
RESULTS = "provenance.results"
"""The name of the last link: the fingerprint of the results in `report.json`."""


def check_report(storage: RunStorage, manifest: Manifest, sets: Sets, cells: Mapping[str, CellResult]) -> list[Link]:
    """The links of `report.json`, its scores and `report.md`, recomputed from the cells.

    Args:
        storage: The run's files.
        manifest: The data set.
        sets: The whole synthetic sets.
        cells: The whole cells, by key.

    Returns:
        The links; only that of `report.json` if it is broken.
    """
    path = storage.folder / layout.REPORT
    if not path.exists():
        return [Link(path.name, "missing", "the comparison finished, and its report is not there")]
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        links = _check_figures(report, storage, manifest, sets, cells)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [Link(path.name, "ALTERED", f"it is not a report of this version ({type(error).__name__}: {error})")]
    except (ConfigError, DataError) as error:
        return [broken_link(path.name, error)]
    if links[0].is_broken:
        return links
    *before, fingerprint = links
    return [*before, _check_text(storage.folder / layout.REPORT_TEXT, report), fingerprint]


def _check_figures(
    report: dict[str, Any],
    storage: RunStorage,
    manifest: Manifest,
    sets: Sets,
    cells: Mapping[str, CellResult],
) -> list[Link]:
    """The links of a report and its scores: whether the cells that its config needs give its figures.

    Only the link of the report if it is broken.
    """
    config = configs.parse(configs.with_earlier(report["config"]), "the config in report.json")
    folder = storage.folder
    gans = gan_count(config.compare) if report["provenance"]["synthetic"] else 0
    if absent := [gan for gan in range(gans) if gan not in sets]:
        of = f" of GAN {absent[0]}" if absent[0] else ""
        return [Link("synthetic", "missing", f"report.json rests on a synthetic set{of}, and no whole one is there")]
    used = tuple(sets[gan] for gan in range(gans))
    try:
        plan = ComparisonPlan(config.compare_request, manifest, used)
        results, found = recomputed_comparison(plan, report, synthetic_sets(storage), cells)
    except CheckpointError as error:
        return [Link(CELLS, "missing", str(error), CheckpointError)]
    baseline = _recomputed_baseline(report, storage, manifest, results)
    again = _recomputed_report(report, config.compare, folder, manifest, used, results, found, baseline)
    if changes := [
        *differences(report, again if _is_of_this_version(report) else _as_far_as(report, again)),
        *_request_differences(report["config"], config.synthesis_wanted, folder),
        *training_differences(config, storage, gans),
    ]:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        says = f"made again from the cells, it differs: {'; '.join(changes[:3])}{more}"
        return [Link(layout.REPORT, "ALTERED", says)]
    link = Link(layout.REPORT, "ok", f"its provenance and every figure follow from {len(results)} cells")
    older = not any(result.drawn for result in results)
    tables = [_check_scores(folder, *table) for table in scores_tables(manifest, results).items()]
    return [link, *tables, _check_fingerprint(report, found, older=older)]


def _recomputed_report(
    report: dict[str, Any],
    compare: CompareConfig,
    folder: Path,
    manifest: Manifest,
    sets: Sequence[SyntheticManifest],
    results: list[CellResult],
    found: Findings,
    baseline: dict[str, Any] | None,
) -> dict[str, Any]:
    """The report of these cells, with the fidelity figures that were saved beside them."""
    fidelity = []
    if report["fidelity"] is not None:
        weights = report["fidelity"]["extractor"]["weights"]
        stored = [
            stored_fidelity(folder / layout.COMPARE, manifest, synthetic, results, compare, weights)
            for synthetic in sets
        ]
        fidelity = [figures for figures in stored if figures is not None]
        if len(fidelity) < len(stored):
            fidelity = []  # so the report made again has none
    of_first = sets[0] if sets else None
    provenance: dict[str, Any] = {
        "look_alikes": load_held_out_copies(folder / layout.SYNTHETIC, manifest, of_first),
        "margins": load_margins(folder / layout.COMPARE),
        "made_by": (maker := maker_of(folder / layout.SYNTHETIC, of_first)),
        "trainings": trainings_of(folder, sets, maker),
    }
    if "results" in report["provenance"]:  # it has a check of its own
        provenance["results"] = report["provenance"]["results"]
    # The config is compared with the stages' requests instead.
    again = build_report(manifest, sets, results, report["config"], provenance, {}, {}, fidelity, found, baseline)
    if report["privacy"] is not None:  # None: there was no audit yet
        again["privacy"] = audits_of(folder, sets)
    return json.loads(json.dumps(again))  # type: ignore[no-any-return]


def _recomputed_baseline(
    report: dict[str, Any], storage: RunStorage, manifest: Manifest, results: Sequence[CellResult]
) -> dict[str, Any] | None:
    """The baseline computed again; the report's own if it is close, and None if an earlier version wrote none."""
    kept = report.get("baseline")
    if kept is None and not _is_of_this_version(report):
        return None
    folder = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.IMAGES)
    again = baseline_figures(manifest, open_images(folder, manifest), results)
    return kept if not differences(kept, again, "baseline", BASELINE_TOLERANCE) else again


def _is_of_this_version(report: dict[str, Any]) -> bool:
    return _written_by(report) == __version__


def _written_by(report: dict[str, Any]) -> str | None:
    """The version that wrote a report. Until 0.2 it said that in place of the version that had computed it."""
    known = report["environment"]
    version: str | None = known.get("written_by") or known.get("gan_aug")
    return version


def _as_far_as(report: Any, again: Any) -> Any:
    """`again` without the keys that `report` does not have, because an earlier version wrote it and said less."""
    if isinstance(report, dict) and isinstance(again, dict):
        return {key: _as_far_as(report[key], value) for key, value in again.items() if key in report}
    if isinstance(report, list) and isinstance(again, list) and len(report) == len(again):
        return [_as_far_as(*pair) for pair in zip(report, again, strict=True)]
    return again


def differences(old: Any, new: Any, path: str = "", tolerance: float = 1e-12) -> list[str]:
    """Where two reports differ, as `dotted.path is A, not B`; figures may differ in their last digits.

    Args:
        old: A report, or the part of it at `path`.
        new: Another one.
        path: Where in the report the parts are.
        tolerance: By how much figures may differ, beside their last digits.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        found = [
            differences(old.get(key), new.get(key), f"{path}.{key}" if path else key, tolerance)
            for key in keys
            if path or key not in NOT_FIGURES
        ]
        return [change for part in found for change in part]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            change
            for i, pair in enumerate(zip(old, new, strict=True))
            for change in differences(*pair, f"{path}[{i}]", tolerance)
        ]
    if isinstance(old, float) and isinstance(new, float) and math.isclose(old, new, rel_tol=1e-8, abs_tol=tolerance):
        return []
    return [] if old == new else [f"{path} is {_brief(old)}, not {_brief(new)}"]


def _request_differences(config: dict[str, Any], synthesis: SynthesisConfig, folder: Path) -> list[str]:
    """Where the config in a report differs from the requests that the stages saved."""
    wanted = {"synthesis": synthesis.model_dump(mode="json")}  # as many images as the ratios need
    changes = []
    for stage in ("dataset", "train", "synthetic", "compare"):
        path = folder / stage / layout.REQUEST
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        ours, theirs = configs.completed(saved), configs.completed(config) | wanted
        for section in saved.keys() & config.keys():
            pair = [theirs[section], ours[section]]
            if isinstance(config[section], dict):  # reports leave out paths
                pair = [{key: values.get(key) for key in config[section]} for values in pair]
            changes += differences(pair[0], pair[1], f"config.{section}")
    return changes


def _check_scores(folder: Path, path: str, table: str) -> Link:
    """The link of a table of scores, recomputed from the cells as `table`."""
    if not (folder / path).exists():
        return Link(path, "missing", "the table of scores is not there: `gan-aug report` writes it again")
    if (folder / path).read_text(encoding="utf-8", errors="replace") != table:
        return Link(path, "ALTERED", "it does not hold the cells' scores: `gan-aug report` writes it again")
    return Link(path, "ok", "it holds the cells' scores")


def _check_fingerprint(report: dict[str, Any], found: Findings, *, older: bool) -> Link:
    """The link of the fingerprint of the results, made again from the report and the cells' files.

    `older`: the cells are of a version that gave reports no fingerprint.
    """
    said = report["provenance"].get("results")
    if said is None and older:
        return Link(RESULTS, "skipped", "no fingerprint of results: made by an older version")
    if said != results_fingerprint(report, found.cells):
        says = f"the report's fingerprint {said} is not that of its figures and of its cells' scores and weights"
        return Link(RESULTS, "ALTERED", says)
    return Link(
        RESULTS, "ok", f"fingerprint {said} of every figure, and of the scores and weights of {len(found.cells)} cells"
    )


def _check_text(path: Path, report: dict[str, Any]) -> Link:
    """The link of the report's text, which must be what this version says of `report`.

    Another version says the same in other words, so the text that it wrote is not compared.
    """
    if not path.exists():
        return Link(path.name, "missing", "the report's text is not there: `gan-aug resume` writes it again")
    if not _is_of_this_version(report):
        version = _written_by(report)
        says = f"version {version} wrote it in words of its own; `gan-aug report` writes it again in this version's"
        return Link(path.name, "skipped", says)
    if titled_text(path.read_text(encoding="utf-8", errors="replace"), None) != to_markdown(report):
        return Link(path.name, "ALTERED", "it does not say what report.json does: `gan-aug resume` writes it again")
    return Link(path.name, "ok", "it says what report.json does")


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
