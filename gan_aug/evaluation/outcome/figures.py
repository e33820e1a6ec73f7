"""The content of `report.json`: every number of a comparison as plain JSON values, and where each comes from.

`docs/reference/report.schema.json` is its contract. Two reports are the same if they are equal without `environment`
and `timing`; no other part holds times, paths or names of machines. Numbers are rounded to ten significant digits, as
further digits may depend on the order of additions, which differs between machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import REFERENCE, arm_order, known
from gan_aug.evaluation.cells.result import CellResult, Findings
from gan_aug.evaluation.image_checks import judge
from gan_aug.evaluation.outcome.dataset import describe_dataset
from gan_aug.evaluation.outcome.files import figure_files, score_files
from gan_aug.evaluation.outcome.gans import gan_rows
from gan_aug.evaluation.outcome.headline import Headline, choose, headline, judged_pairs
from gan_aug.evaluation.outcome.internal_test import internal_test_figures
from gan_aug.evaluation.outcome.under_training import under_trained
from gan_aug.evaluation.statistics.calibration import calibration_curve, error_if_perfect, expected_calibration_error
from gan_aug.evaluation.statistics.comparison import (
    Comparison,
    compare_arms,
    estimate_auc,
    missing_for_verdict,
    rule_of,
)
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.metrics import (
    accuracy_influence,
    average_precision,
    brier,
    confusion,
    estimate_accuracy,
    estimate_share,
    operating_point,
    partial_auc,
    precision_recall,
)
from gan_aug.evaluation.statistics.precision_recall import average_precision_interval
from gan_aug.evaluation.statistics.uncertainty import Estimate, FloatArray, Gans

SCHEMA = 1
SPECIFICITIES = (0.90, 0.95)
MAX_FALSE_POSITIVE = 0.10
"""The partial AUC goes up to this false positive rate: specificities of 90 % and more."""

_DIGITS = 10
_HISTORY = ("epoch", "step", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def build_report(
    manifest: Manifest,
    sets: Sequence[SyntheticManifest],
    cells: Sequence[CellResult],
    config: dict[str, Any],
    provenance: dict[str, Any],
    timing: dict[str, Any],
    environment: dict[str, Any],
    fidelity: Sequence[dict[str, Any]] = (),
    findings: Findings = Findings(),  # noqa: B008 - it is frozen
    baseline: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The report on the test split, as JSON values without NaN.

    Args:
        manifest: The data set.
        sets: The synthetic set of each GAN; empty if no arm uses one.
        cells: The results, in any order.
        config: What was asked for, as `gan_aug.config.reported` gives it.
        provenance: Added to {manifest, checkpoint, synthetic, trained_on, gans}, which follow from the manifests;
            `look_alikes` is the result of `load_held_out_copies`, `margins` that of `load_margins`.
        timing: The seconds of each stage; those of each arm are added.
        environment: The machine, the versions of the libraries, and the config's compute section.
        fidelity: The results of `measure_fidelity`, one for each set; empty if it was not measured.
        findings: What was found in addition to the arms.
        baseline: The result of `baseline_figures`, or None if it was not computed.

    Returns:
        The report, as `docs/reference/report.schema.json` describes it.

    Raises:
        DataError: If the arm `real` is absent, the arms differ in seeds or in optimiser steps, or the test split holds
            too few images of a label.
    """
    arms = group_by_arm(cells)
    test, validation = GroundTruth.of(manifest, "test"), GroundTruth.of(manifest, "validation")
    brief = {arm: under_trained(of_arm, validation, config["compare"]["pretrain"]) for arm, of_arm in arms.items()}
    compared, found = _judged(test, validation, arms, config["compare"], {arm for arm, why in brief.items() if why})
    missing = missing_for_verdict(test, len(arms[REFERENCE]))
    figures = {
        "schema": SCHEMA,
        "dataset": describe_dataset(manifest, config["data"]["patient_scope"]),
        "arms": {
            arm: {**_arm(of_arm, test, validation), "under_trained": asdict(why) if (why := brief[arm]) else None}
            for arm, of_arm in arms.items()
        },
        "comparisons": [
            {**asdict(comparison), "size": arms[comparison.against][0].train_images["real"]} for comparison in compared
        ],
        "internal_test": internal_test_figures(manifest, arms),
        "baseline": baseline,
        "missing": asdict(missing) if missing else None,
        "headline": found and asdict(found),
        "steps": findings.steps,
        "ratio": findings.ratio,
        "curves": findings.curves,
        "canaries": findings.canaries,
        "fidelity": _judged_images(fidelity[0], manifest) if fidelity else None,
        "gans": gan_rows(manifest, sets, arms, fidelity),
        "privacy": None,
    }
    return {
        **_plain(figures),
        "files": {**score_files(manifest), "figures": figure_files(figures)},
        "provenance": _provenance(manifest, sets) | provenance,
        "config": config,
        "environment": environment,
        "timing": {**timing, "arms": {arm: sum(cell.seconds for cell in of_arm) for arm, of_arm in arms.items()}},
    }


def _judged(
    test: GroundTruth,
    validation: GroundTruth,
    arms: dict[str, list[CellResult]],
    compare: dict[str, Any],
    brief: set[str],
) -> tuple[list[Comparison], Headline | None]:
    """The comparisons of the table, and the headline; that is by rule 2 even if the table is by rule 1.

    By rule 2 no verdict rests on one of the arms in `brief`, which were trained too briefly.
    """
    scores = {arm: [cell.test_scores for cell in of_arm] for arm, of_arm in arms.items()}
    gans = {arm: gans_behind(of_arm) for arm, of_arm in arms.items()}
    choice = choose(validation, arms)
    pairs = judged_pairs(arms, choice)
    rows = [_withheld(row, brief) for row in compare_arms(test, scores, pairs, compare["margin"], gans=gans)]
    found = headline(test, choice, rows, arms, gans[choice.arm]) if choice else None
    if rule_of(compare) == 1:
        alike = [(arm.name, arm.alike) for arm in known(arms) if arm.alike and arm.alike in arms]
        pairs = [*(pair for pair in pairs if pair[1] == REFERENCE), *alike]
        rows = compare_arms(test, scores, pairs, compare["margin"], gans=gans, rule=1)
    return rows, found


def _judged_images(measured: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The fidelity figures with their checks; an earlier version measured too little to judge."""
    checks = judge(measured, manifest.task)
    return measured if checks is None else {**measured, "checks": checks}


def _withheld(row: Comparison, brief: set[str]) -> Comparison:
    """A comparison without a verdict if it rests on an arm that was trained too briefly."""
    resting = tuple(arm for arm in (row.arm, row.against) if arm in brief)
    return replace(row, verdict="inconclusive", under_trained=resting) if resting else row


def group_by_arm(cells: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """The cells of each arm, sorted by seed; the arms are in the order of the config, `real` first.

    Raises DataError if the arm `real` is absent, or the arms differ in their seeds or in their optimiser steps.
    """
    arms: dict[str, list[CellResult]] = {arm: [] for arm in arm_order({cell.arm for cell in cells})}
    for cell in sorted(cells, key=lambda cell: cell.seed):
        arms[cell.arm].append(cell)
    if REFERENCE not in arms:
        raise DataError(
            f"the comparison has the arms {', '.join(arms) or 'none'}, but not 'real', with which the others are "
            "compared: add it to compare.arms and compare again"
        )
    seeds = [cell.seed for cell in arms[REFERENCE]]
    steps = arms[REFERENCE][0].steps
    for arm, of_arm in arms.items():
        if [cell.seed for cell in of_arm] != seeds:
            raise DataError(
                f"arm {arm!r} has the seeds {[cell.seed for cell in of_arm]}, but 'real' has {seeds}: arms are "
                "compared seed by seed; compare again to add the missing cells"
            )
        if {cell.steps for cell in of_arm} != {steps}:
            taken = ", ".join(str(cell.steps) for cell in of_arm)
            raise DataError(
                f"arm {arm!r} took other numbers of steps ({taken}) than 'real' ({steps}): arms are compared after the "
                "same number of steps; remove the run's compare folder and compare again"
            )
    return arms


def gans_behind(cells: Sequence[CellResult]) -> Gans:
    """The number of the GAN behind each cell of an arm; None if it has none."""
    return [cell.gan for cell in cells]


def _arm(cells: list[CellResult], test: GroundTruth, validation: GroundTruth) -> dict[str, Any]:
    scores, gans = [cell.test_scores for cell in cells], gans_behind(cells)
    per_class = _per_class(test, scores, gans)
    mean_brier, brier_ci95 = brier(test, scores, gans)
    return {
        "auc": _estimate(estimate_auc(test, scores, gans)),
        "accuracy": _estimate(estimate_accuracy(test, scores, gans)),
        "average_precision": _mean([average_precision(test, of_seed) for of_seed in scores]),
        "average_precision_ci95": average_precision_interval(test, scores, gans),
        "partial_auc": {
            "max_false_positive": MAX_FALSE_POSITIVE,
            "value": _mean([partial_auc(test, of_seed, MAX_FALSE_POSITIVE) for of_seed in scores]),
        },
        "sensitivity_at_specificity": {
            f"{specificity:.2f}": _sensitivity(cells, test, validation, specificity) for specificity in SPECIFICITIES
        },
        "per_class": per_class,
        "worst_class": _worst_class(test, per_class),
        "brier": mean_brier,
        "brier_ci95": brier_ci95,
        "calibration": _calibration(test, scores),
        "confusion": confusion(test, scores),
        "optimizer_steps": cells[0].steps,
        "parameters": cells[0].parameters,
        "train_images": {kind: cells[0].train_images.get(kind, 0) for kind in ("real", "synthetic")},
        "history": [[{key: row[key] for key in _HISTORY} for row in cell.history] for cell in cells],
        "seeds": [
            {
                "seed": cell.seed,
                "auc": test.auc(cell.test_scores).value,
                "accuracy": accuracy_influence(test, cell.test_scores).value,
                "best_step": cell.best_step,
                "gan": cell.gan,
            }
            for cell in cells
        ],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": estimate.ci95, "sources": estimate.sources}


def _sensitivity(
    cells: list[CellResult], test: GroundTruth, validation: GroundTruth, specificity: float
) -> dict[str, Any] | None:
    points = []
    for cell in cells:
        point = operating_point(validation, cell.validation_scores, test, cell.test_scores, specificity)
        if point is None:
            return None
        points.append(point)
    gans = gans_behind(cells)
    sensitivity = estimate_share(test, [point.sensitivity for point in points], test.target_labels, gans)
    reached = estimate_share(test, [point.specificity for point in points], ~test.target_labels, gans)
    return {
        "sensitivity": sensitivity.value,
        "sensitivity_ci95": sensitivity.ci95,
        "specificity": reached.value,
        "specificity_ci95": reached.ci95,
        "thresholds": [point.thresholds for point in points],
    }


def _calibration(test: GroundTruth, scores: list[FloatArray]) -> dict[str, Any]:
    # The error of each seed separately: in a pooled curve, one seed's high scores could cancel another's low ones.
    errors = [expected_calibration_error(calibration_curve(test, [of_seed])) for of_seed in scores]
    return {
        "expected_error": _mean(errors),
        "error_if_perfect": _mean([error_if_perfect(test, of_seed) for of_seed in scores]),
        "curve": [asdict(part) for part in calibration_curve(test, scores)],
    }


def _per_class(test: GroundTruth, scores: list[FloatArray], gans: Gans) -> dict[str, dict[str, Any]]:
    shares = precision_recall(test, scores, gans)
    per_class = {}
    for k, name in enumerate(test.names):
        alone = test.only(k)
        auc = estimate_auc(alone, [of_seed[:, [k]] for of_seed in scores], gans)
        per_class[name] = {"auc": auc.value, "auc_ci95": auc.ci95}
        for what, share in zip(("precision", "recall"), shares[k], strict=True):
            per_class[name] |= {what: share and share.value, f"{what}_ci95": share and share.ci95}
    return per_class


def _worst_class(test: GroundTruth, per_class: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The label with the worst result: by AUC against the rest; for two classes, which share their AUC, by recall."""
    by = "auc" if test.positive is None else "recall"
    known = {name: figures[by] for name, figures in per_class.items() if figures[by] is not None}
    label = min(known, key=known.__getitem__)  # the first of equal ones
    return {"label": label, "by": by, "value": known[label]}


def _provenance(manifest: Manifest, sets: Sequence[SyntheticManifest]) -> dict[str, Any]:
    synthetic = sets[0] if sets else None
    return {
        "manifest": manifest.fingerprint,
        "checkpoint": synthetic.checkpoint if synthetic else None,
        "synthetic": synthetic.fingerprint if synthetic else None,
        "trained_on": _trained_on(synthetic),
        "gans": [
            {"gan": gan, "checkpoint": of_gan.checkpoint, "synthetic": of_gan.fingerprint}
            for gan, of_gan in enumerate(sets)
            if of_gan.is_traced
        ],
        "look_alikes": None,
        "margins": None,
        "made_by": None,
        "started_from": _started_from(manifest, sets),
        "trainings": None,
    }


def _started_from(manifest: Manifest, sets: Sequence[SyntheticManifest]) -> dict[str, int] | None:
    """How many images were seen by the GANs that these started from, and how many of them are not in this split."""
    seen = {content for synthetic in sets for content in synthetic.parent_trained_on}
    own = {manifest.studies[row].content for row in manifest.indices("train")}
    listed = [(len(seen), len(seen - own))] if seen else []
    # The GANs of a run start from those of one other run, which saw the same images.
    counted = [(made.parent_images, made.parent_elsewhere) for made in sets if made.parent_images]
    images, elsewhere = max([*listed, *counted], default=(0, 0))
    return {"images": images, "elsewhere": elsewhere} if images else None


def _trained_on(synthetic: SyntheticManifest | None) -> str | None:
    """What is known of the real images that the synthetic set's generator was trained on."""
    if synthetic is None:
        return None
    return "training split" if synthetic.is_traced else "unknown"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _plain(value: Any) -> Any:
    """`value` with tuples as lists, and floats rounded to ten significant digits."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
