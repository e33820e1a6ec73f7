"""The report's tables, with every number spelt out."""

from __future__ import annotations

import statistics
from typing import Any

from gan_aug.evaluation.statistics.comparison import rule_of
from gan_aug.report.blocks import Table
from gan_aug.report.words.arms import training_images
from gan_aug.report.words.computed import STAGES, computed_on
from gan_aug.report.words.internal_test import no_internal_test
from gan_aug.report.words.text import (
    Report,
    basis,
    counted,
    digits,
    duration,
    interval,
    metric,
    p_number,
    p_text,
    patients_apart,
    percent,
    share,
    signed,
    size,
    splits_from,
    thousands,
)
from gan_aug.report.words.verdict import is_missing


def arms_table(report: Report) -> Table:
    """AUC and accuracy of each arm on the same real test images."""
    decimals = digits(report)
    rows = []
    for name, arm in report["arms"].items():
        images, steps = training_images(name, arm["train_images"]), f"{arm['optimizer_steps']}; {_kept(arm)}"
        steps += ", too few" if arm.get("under_trained") else ""
        rows.append((name, images, steps, *_auc_and_accuracy(arm, decimals)))
    if baseline := report.get("baseline"):
        used = counted(baseline["train_images"], "real image")
        how = f"logistic regression on {counted(baseline['components'], 'principal component')}"
        rows.append(("baseline", f"{used}, {how}", "–", *_auc_and_accuracy(baseline, decimals)))
    tested = counted(report["dataset"]["counts"]["test"], "real test image")
    caption = (
        f"Each arm on the same {tested}, after the same number of optimiser steps: AUC {metric(report)} and accuracy "
        f"{_called(report)}, with 95 % intervals. The tested weights are those with the lowest validation loss. Kept "
        "at: the step that they come from, as the median over seeds with its range."
        + (" Too few: trained too briefly for a verdict." if any(row[2].endswith("too few") for row in rows) else "")
        + (" Baseline: no network, nor an arm; the arm “real” should be clearly above it." if baseline else "")
    )
    head = ("Arm", "Training images", "Steps; kept at", "AUC (95 % CI)", "Accuracy (95 % CI)")
    return Table(caption, head, tuple(rows), text_columns=(0, 1))


def _auc_and_accuracy(figures: dict[str, Any], decimals: int) -> tuple[str, str]:
    """The AUC and the accuracy, each with its interval."""
    auc, (low, high) = figures["auc"], figures["accuracy"]["ci95"]
    return (
        f"{share(auc['value'], decimals)} ({interval(auc['ci95'], decimals)})",
        f"{percent(figures['accuracy']['value'])} ({percent(low)} to {percent(high)})",
    )


def more_figures_table(report: Report) -> Table:
    """Average precision, partial AUC, Brier score and calibration error of each arm."""
    arms = report["arms"]
    several = len(arms["real"]["seeds"]) > 1
    rate = arms["real"]["partial_auc"]["max_false_positive"]
    head = (
        "Arm",
        "Average precision (95 % CI)",
        f"Partial AUC (false positives ≤ {100 * rate:.0f} %)",
        "Brier (95 % CI)",
        "Calibration error (if perfect)",
    )
    rows = tuple(
        (
            name,
            f"{share(arm['average_precision'], 3)} ({interval(arm['average_precision_ci95'], 3)})",
            share(arm["partial_auc"]["value"], 3),
            f"{arm['brier']:.3f} ({arm['brier_ci95'][0]:.3f} to {arm['brier_ci95'][1]:.3f})",
            f"{arm['calibration']['expected_error']:.3f} ({arm['calibration']['error_if_perfect']:.3f})",
        )
        for name, arm in arms.items()
    )
    caption = (
        f"Further metrics{', means over seeds' if several else ''}. Partial AUC: standardised, 0.5 by chance. Brier "
        "score: mean squared error of the probabilities, 0 at best. Calibration error: mean distance between "
        "probabilities and observed frequencies. In brackets, if perfect: its average by chance alone if every "
        "probability were true."
    )
    return Table(caption, head, rows)


def operating_points_table(report: Report) -> Table:
    """The sensitivity and specificity that each arm reaches with thresholds chosen on the validation images."""
    arms = report["arms"]
    asked = list(arms["real"]["sensitivity_at_specificity"])
    head = ("Arm", *(f"Set for {100 * float(s):.0f} % specificity: sensitivity / specificity" for s in asked))
    rows = tuple(
        (name, *(_sensitivity(arm["sensitivity_at_specificity"][s]) for s in asked)) for name, arm in arms.items()
    )
    means = "means over seeds; " if len(arms["real"]["seeds"]) > 1 else ""
    caption = (
        "Operating points: what thresholds set on the validation images reach on the test images "
        f"({means}95 % CI with the thresholds held fixed)."
    )
    return Table(caption, head, rows)


def comparisons_table(report: Report) -> Table | None:
    """Each arm against the arm “real” and against its other opponents; None if none was compared."""
    if not report["comparisons"]:
        return None
    decimals = digits(report)
    rows = tuple(
        (
            f"{c['arm']} − {c['against']}",
            signed(c["difference"], decimals),
            f"{signed(c['ci95'][0], decimals)} to {signed(c['ci95'][1], decimals)}",
            p_number(c["p"]),
            p_number(c["p_adjusted"]),
            f"{signed(c['difference_delong'], decimals)}, {p_text(c['p_delong'])}",
            "withheld" if c.get("under_trained") else c["verdict"],
            "–" if c["smallest_detectable"] is None else size(c["smallest_detectable"], decimals),
        )
        for c in report["comparisons"]
    )
    caption = (
        "Difference in AUC, paired by patient and by training seed. p: two-sided test of no difference. p (Holm): "
        f"adjusted for the {counted(len(rows), 'comparison')} of this table. The verdicts non-inferior and inferior "
        "compare the interval, which is not adjusted, with the margin of "
        f"{report['comparisons'][0]['margin']:g} set in the configuration.{_withheld(report)} Detectable: "
        f"{_detectable(report)} Averaged scores (DeLong): a secondary test of another quantity, the difference in AUC "
        "of the scores averaged over seeds, with every image taken as independent."
    )
    head = ("Arms", "Difference", "95 % CI", "p", "p (Holm)", "Averaged scores (DeLong)", "Verdict", "Detectable")
    return Table(caption, head, rows)


def _withheld(report: Report) -> str:
    resting = any(c.get("under_trained") for c in report["comparisons"])
    return " Withheld: an arm of the two was trained too briefly." if resting else ""


def _detectable(report: Report) -> str:
    if is_missing(report):
        return "not given without a verdict."
    fits = "by the variance seen here; a dash: none that fits below an AUC of 1."
    if rule_of(report["config"]["compare"]) == 1:
        return (
            "the gain that a single comparison with these patients and seeds, without adjustment, finds four times in "
            f"five, {fits}"
        )
    return (
        "the gain that this comparison finds four times in five, at the level that Holm’s adjustment leaves for it "
        f"beside the others, {fits}"
    )


def per_class_table(report: Report) -> Table:
    """AUC, precision and recall of each label in each arm."""
    decimals = digits(report)
    rows = []
    for label in report["dataset"]["labels"]:
        for name, arm in report["arms"].items():
            figures = arm["per_class"][label]
            auc = f"{share(figures['auc'], decimals)} ({interval(figures['auc_ci95'], decimals)})"
            rows.append((label, name, auc, *(_share_of(figures, what) for what in ("precision", "recall"))))
    together = ", the images of all seeds together" if len(report["arms"]["real"]["seeds"]) > 1 else ""
    caption = (
        f"AUC of each class against all others. Precision and recall {_called(report)}{together}; a dash: no image "
        f"was predicted as this class. {worst_class(report)}"
    )
    head = ("Class", "Arm", "AUC (95 % CI)", "Precision (95 % CI)", "Recall (95 % CI)")
    return Table(caption, head, tuple(rows), text_columns=(0, 1))


def _share_of(figures: dict[str, Any], what: str) -> str:
    """A class's precision or recall with its interval, or a dash."""
    if figures[what] is None:
        return percent(None)
    low, high = figures[f"{what}_ci95"]
    return f"{percent(figures[what])} ({percent(low)} to {percent(high)})"


def worst_class(report: Report) -> str:
    """Which class fares worst in each arm, as a sentence."""
    decimals, of_arms = digits(report), {name: arm["worst_class"] for name, arm in report["arms"].items()}
    by = next(iter(of_arms.values()))["by"]
    said = [
        f"{name} “{worst['label']}” ({share(worst['value'], decimals) if by == 'auc' else percent(worst['value'])})"
        for name, worst in of_arms.items()
    ]
    return f"Worst class by {'AUC' if by == 'auc' else 'recall'}: {'; '.join(said)}."


def data_table(report: Report) -> Table:
    """How many images each split holds of each label, and how many patients."""
    data = report["dataset"]
    splits = tuple(data["counts"])
    rows = [
        (label, *(_part(data["counts_per_label"][split][label], data["counts"][split]) for split in splits))
        for label in data["labels"]
    ]
    rows.append(("Images", *(thousands(data["counts"][split]) for split in splits)))
    if data["patients"] is not None:
        rows.append(("Patients", *(thousands(data["patients"][split]) for split in splits)))
    if several := data.get("images_per_patient"):  # an earlier version's report does not have it
        rows.append(("Images per patient", *(_images_per_patient(several[split]) for split in splits)))
    labels = " An image may carry several labels." if data["task"] == "multi-label" else ""
    about = " ".join(filter(None, (patients_apart(report), splits_from(report), no_internal_test(report))))
    caption = f"Images of each label in each split, and their share of the split.{labels} {about}"
    return Table(caption, ("Label", *(split.replace("_", " ") for split in splits)), tuple(rows))


def _images_per_patient(images: dict[str, Any] | None) -> str:
    """The mean number of a split's images per patient, and the highest."""
    return "–" if images is None else f"{images['mean']:.2f}, at most {thousands(images['most'])}"


def sources_table(report: Report) -> Table:
    """Where each number comes from: images, fingerprints, checkpoint, classifier, seeds, files."""
    data, provenance = report["dataset"], report["provenance"]
    counts, seeds = data["counts"], report["arms"]["real"]["seeds"]
    patients = "" if data["test_patients"] is None else f" of {counted(data['test_patients'], 'patient')}"
    computing = (("Computed on", computed_on(report)), ("Time taken", _taken(report)))
    rows = [
        ("Test images", f"{counted(counts['test'], 'real image')}{patients}, in no arm’s training set"),
        ("Data set", f"{data['name']}, {_size(data['shape'])}; fingerprint {provenance['manifest']}"),
        (
            "Validation images",
            f"{counted(counts['validation'], 'real image')}; weights and thresholds were chosen on them",
        ),
        *_internal_test(report),
        *_synthetic_sources(provenance),
        ("Classifier", _classifier(report)),
        *((("Results", f"fingerprint {provenance['results']}"),) if provenance.get("results") else ()),
        ("Seeds", ", ".join(str(seed["seed"]) for seed in seeds)),
        ("Means and intervals", basis(report)),
        *((what, said) for what, said in computing if said),
        ("Every case", f"{report['files']['scores']}: each test image with its score by each arm and seed"),
        *_internal_cases(report),
    ]
    return Table("What the numbers rest on.", ("What", "Where from"), tuple(rows), text_columns=(0, 1))


def _internal_test(report: Report) -> list[tuple[str, str]]:
    count = report["dataset"]["counts"].get("internal_test")
    said = "drawn from the training images and used for nothing else"
    return [("Internal test", f"{counted(count, 'real image')}, {said}")] if count else []


def _internal_cases(report: Report) -> list[tuple[str, str]]:
    path = report["files"].get("internal_test_scores")
    return [("Every case of the internal test", f"{path}: the same of each of its images")] if path else []


def _classifier(report: Report) -> str:
    arms = report["arms"]
    text = f"{report['config']['classifier']['name']}, {counted(arms['real']['parameters'], 'parameter')}"
    if len({arm["optimizer_steps"] for arm in arms.values()}) == 1:
        text += f", {counted(arms['real']['optimizer_steps'], 'optimiser step')} in every arm"
    return text


def _taken(report: Report) -> str:
    """The wall-clock time of each stage; empty if it is not known."""
    seconds = report["timing"].get("stages") or {}
    stages = [f"{name} {duration(seconds[stage])}" for stage, name in STAGES.items() if stage in seconds]
    return f"{', '.join(stages)}; wall-clock time, with waits for other work on the machine" if stages else ""


def _maker(provenance: dict[str, Any]) -> str:
    """The checkpoint behind the synthetic images, and what its generator saw."""
    if provenance["trained_on"] is None:
        return "none"
    if provenance["trained_on"] == "unknown":
        return f"{provenance['checkpoint']}; which images its generator was trained on is unknown"
    elsewhere = " in another run" if provenance.get("made_by") else ""
    before = provenance.get("started_from")
    began = f", starting from a GAN of {counted(before['images'], 'image')}" if before else ""
    other = f", {thousands(before['elsewhere'])} of them not among these" if before and before["elsewhere"] else ""
    return f"{provenance['checkpoint']}, trained{elsewhere} on the training images alone{began}{other}"


def _synthetic_sources(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of the synthetic images: for each GAN the fingerprint of its set and the checkpoint that made it."""
    if not provenance["synthetic"]:
        return [("Synthetic images", "none"), ("Made by checkpoint", "none")]
    sets = provenance.get("gans") or [provenance]
    of = [f", GAN {row['gan']}" if len(sets) > 1 else "" for row in sets]
    rows = []
    for name, row in zip(of, sets, strict=True):
        rows.append((f"Synthetic images{name}", f"fingerprint {row['synthetic']}"))
        rows.append((f"Made by checkpoint{name}", _maker({**provenance, "checkpoint": row["checkpoint"]})))
    return rows


def _size(shape: list[int]) -> str:
    channels, height, width = shape
    return f"{width} × {height} pixels, {'grey' if channels == 1 else f'{channels} channels'}"


def _sensitivity(reached: dict[str, Any] | None) -> str:
    if reached is None:
        return "–"
    pair = (
        f"{percent(reached[name])} ({percent(low)} to {percent(high)})"
        for name in ("sensitivity", "specificity")
        for low, high in (reached[f"{name}_ci95"],)
    )
    return " / ".join(pair)


def _called(report: Report) -> str:
    """How an image gets its predicted label."""
    return "at a probability of 0.5" if report["dataset"]["task"] == "multi-label" else "by the most likely class"


def _kept(arm: dict[str, Any]) -> str:
    """The step whose weights were tested: the median over seeds, with the range if they differ."""
    steps = [seed["best_step"] for seed in arm["seeds"]]
    middle = f"{statistics.median(steps):.0f}"
    return middle if min(steps) == max(steps) else f"{middle} ({min(steps)} to {max(steps)})"


def _part(count: int, of: int) -> str:
    return f"{thousands(count)} ({100 * count / max(1, of):.0f} %)"
