"""Writes the comparison's report into a run folder: its figures, example images, scores and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, read_shard
from gan_aug.evaluation.baseline import baseline_figures
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.checkpoints.trainings import trainings_of
from gan_aug.evaluation.comparison_plan import ComparisonPlan
from gan_aug.evaluation.held_out_copies import load_held_out_copies
from gan_aug.evaluation.outcome.figures import build_report
from gan_aug.evaluation.outcome.files import scores_tables
from gan_aug.evaluation.outcome.fingerprint import results_fingerprint
from gan_aug.evaluation.outcome.margins import load_margins
from gan_aug.report import to_html, to_markdown
from gan_aug.report.blocks import Figure
from gan_aug.report.pages.titled import titled_page, titled_text
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.plots.learning_curves import curves_png
from gan_aug.run import layout
from gan_aug.run.files import write_json, write_text
from gan_aug.run.folder import RunDir
from gan_aug.run.stores import Place
from gan_aug.run.title import read_title
from gan_aug.stages.audit.sets import audits_of
from gan_aug.stages.computed_on import computed_on
from gan_aug.stages.context import StageContext
from gan_aug.stages.external import maker_of

EXAMPLES = 8
WORKS_IF_STARTED = (layout.DATASET, layout.TRAIN, layout.SIZES)
"""Stages that say that they start only if something is missing. The others work if they make progress."""

Images = npt.NDArray[np.uint8]


def write_reports(
    context: StageContext,
    plan: ComparisonPlan,
    config: dict[str, Any],
    cells: Sequence[CellResult],
    findings: Findings,
    fidelity: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Write the report into the run folder: figures, scores, `report.html`, `report.md`, last `report.json`.

    Args:
        context: The run's.
        plan: The comparison.
        config: The whole config, as `gan_aug.config.reported` gives it.
        cells: The results on all training images.
        findings: The findings beside them. Learning curves are also drawn to a file of their own.
        fidelity: The fidelity figures of each synthetic set; empty if they were not measured.

    Returns:
        The content of `report.json`.
    """
    run, manifest, synthetic = context.run, plan.manifest, plan.synthetic
    report = build_report(
        manifest,
        plan.sets,
        cells,
        config,
        provenance={
            "look_alikes": load_held_out_copies(run.synthetic, manifest, synthetic),
            "margins": load_margins(run.compare),
            "made_by": (maker := maker_of(run.synthetic, synthetic)),
            "trainings": trainings_of(run.path, plan.sets, maker),
        },
        timing={"stages": stage_seconds(run)},
        environment=computed_on(context, plan, cells),
        fidelity=fidelity,
        findings=findings,
        baseline=baseline_figures(manifest, open_images(run.dataset, manifest), cells),
    )
    report["privacy"] = audits_of(run.path, plan.sets)
    report["provenance"]["results"] = results_fingerprint(report, findings.cells)
    if report["curves"]:
        curves_png(report["curves"], run.path / layout.LEARNING_CURVES)
    figures = draw_figures(report, cells, manifest)
    write_figures(run, figures)
    for path, table in scores_tables(manifest, cells).items():
        write_text(run.path / path, table)
    examples = synthetic_examples(context.storage.synthetic, synthetic)
    html, title = to_html(report, figures, real_examples(run, manifest), examples), read_title(run.path)
    write_text(run.path / layout.REPORT_PAGE, titled_page(html, title))
    write_text(run.path / layout.REPORT_TEXT, titled_text(to_markdown(report), title))
    write_json(run.path / layout.REPORT, report)
    return report


def write_figures(run: RunDir, figures: Mapping[str, Figure]) -> None:
    """Write each figure to its file, and remove figures of an earlier report that this one does not have."""
    for figure in figures.values():
        write_text(run.path / figure.file, figure.document)
    for left in (run.path / layout.FIGURES).glob("*.svg"):
        if left.stem not in figures:
            left.unlink()


def real_examples(run: RunDir, manifest: Manifest) -> dict[str, Images]:
    """The first training images of each label, `(n, C, H, W) uint8`."""
    images, labels, rows = open_images(run.dataset, manifest), manifest.label_matrix(), manifest.indices("train")
    return {name: images[rows[labels[rows, k] == 1][:EXAMPLES]] for k, name in enumerate(manifest.labels)}


def synthetic_examples(place: Place, synthetic: SyntheticManifest | None) -> dict[str, Images]:
    """The first synthetic images of each label, `(n, C, H, W) uint8`; empty without a synthetic set."""
    if synthetic is None:
        return {}
    found: dict[str, list[Images]] = {name: [] for name in synthetic.labels}
    for shard in synthetic.shards:
        wanting = [name for name, images in found.items() if len(images) < EXAMPLES]
        if not wanting:
            break
        own = synthetic.image_labels[shard.first : shard.first + shard.count]
        for image, labels in zip(read_shard(place, shard), own, strict=True):
            for name in (synthetic.labels[k] for k in labels):
                if len(found[name]) < EXAMPLES:
                    found[name].append(image)
    return {name: np.stack(images) for name, images in found.items() if images}


def stage_seconds(run: RunDir) -> dict[str, float]:
    """Seconds of work in each stage by the run's events, over all starts; time between two starts does not count.

    Nor does a start that found everything computed, nor the writing of reports: a report that is written again says the
    same.
    """
    seconds: dict[str, float] = {}
    last: dict[str, float] = {}
    works: dict[str, bool] = {}
    for line in (run.path / layout.EVENTS).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a line torn by a crash
        stage, kind, now = event["stage"], event["kind"], event["time"]
        if kind == "note":
            continue  # it can belong to no stage
        if kind == "start":
            works[stage] = stage in WORKS_IF_STARTED
        elif stage in last:
            works[stage] |= kind == "progress"
            if works[stage] and (stage, kind) != (layout.COMPARE, "finish"):
                seconds[stage] = seconds.get(stage, 0.0) + now - last[stage]
        last[stage] = now
    return {stage: round(value, 1) for stage, value in seconds.items()}
