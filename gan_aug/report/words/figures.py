"""What each picture of the report shows: figures in words, also for those who cannot see them, and example images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gan_aug.report.blocks import Gallery, Strip
from gan_aug.report.words.arms import without_real_images
from gan_aug.report.words.checks import whole_has_gans
from gan_aug.report.words.gans import rows_of_gans
from gan_aug.report.words.headline import headline_of
from gan_aug.report.words.text import Report, counted, digits, metric, p_text, percent, share, signed, times

Examples = Mapping[str, npt.NDArray[np.uint8]]
"""Images `(n, C, H, W) uint8` by label."""

_SHOWN = 6


class FigureWords(NamedTuple):
    """A figure in words: what it shows, with the numbers, and how to read it."""

    text: str
    reading: str


class ForestRow(NamedTuple):
    """One difference: what is compared, its value and interval, its verdict, both in words, and its p after Holm.

    `is_main` sets apart the rows that the report's verdict rests on.
    """

    label: str
    difference: float
    ci95: tuple[float, float]
    verdict: str
    note: str
    p_adjusted: float
    is_main: bool


def forest_rows(report: Report) -> list[ForestRow]:
    """The rows of the forest plot: those behind the report's verdict first, then the other comparisons."""
    rows = report["comparisons"]
    found = headline_of(report)
    main = [{**one, "arm": found["arm"], "against": one["arm"]} for one in found["against"]] if found else []
    pairs = {(one["arm"], one["against"]) for one in main}
    others = [one for one in rows if (one["arm"], one["against"]) not in pairs]
    return [
        ForestRow(
            label=f"{one['arm']} − {one['against']}",
            difference=one["difference"],
            ci95=tuple(one["ci95"]),
            verdict=one["verdict"],
            note=_with_interval(report, one),
            p_adjusted=one["p_adjusted"],
            is_main=number < len(main),
        )
        for number, one in enumerate([*main, *others])
    ]


def _with_interval(report: Report, comparison: dict[str, Any]) -> str:
    decimals = digits(report)
    ends = " to ".join(signed(end, decimals) for end in comparison["ci95"])
    return f"{signed(comparison['difference'], decimals)} ({ends})"


def differences_words(report: Report) -> FigureWords:
    """The forest plot: every difference with its p and verdict."""
    parts = [
        f"{row.label} {row.note}, {p_text(row.p_adjusted)} after Holm, {row.verdict}" for row in forest_rows(report)
    ]
    margin = f"{report['comparisons'][0]['margin']:g}"
    bold = " Bold: what the verdict rests on." if headline_of(report) else ""
    return FigureWords(
        f"Differences in AUC between arms, beside zero and the margin of −{margin}: {'; '.join(parts)}.",
        f"Lines: 95 % intervals; an arrow: they go on beyond.{bold} An interval right of the dashed line rules out a "
        "loss as large as the margin. "
        "Triangle up: improves; square: non-inferior; triangle down: inferior; circle: inconclusive.",
    )


def curves_words(report: Report) -> FigureWords:
    """The learning curves: both ends of each."""
    decimals, ends = digits(report), []
    for arm in dict.fromkeys(row["arm"] for row in report["curves"]):
        own = [row for row in report["curves"] if row["arm"] == arm]
        first, last = (f"{share(row['auc']['value'], decimals)} at {row['size']}" for row in (own[0], own[-1]))
        ends.append(f"{arm} {first}, {last}" if len(own) > 1 else f"{arm} {first}")
    gans = ", and with all images over the GANs" if whole_has_gans(report) else ""
    return FigureWords(
        f"AUC by the number of real training images, at both ends of each curve: {'; '.join(ends)}.",
        f"Bands: 95 %, over test patients, draws of the images and training seeds{gans}. An arrow: the band goes on "
        "beyond.",
    )


def roc_words(report: Report) -> FigureWords:
    """The ROC curves: each arm's area."""
    decimals = digits(report)
    areas = "; ".join(f"{name} {share(arm['auc']['value'], decimals)}" for name, arm in report["arms"].items())
    return FigureWords(
        f"ROC curves of the arms on the real test images. AUC {metric(report).rstrip(',')}: {areas}.",
        f"{_bands(report)}. A perfect curve has no visible band.",
    )


def precision_words(report: Report) -> FigureWords:
    """The precision-recall curves: each arm's average precision."""
    areas = "; ".join(f"{name} {share(arm['average_precision'], 3)}" for name, arm in report["arms"].items())
    return FigureWords(
        "Precision–recall curves of the arms on the real test images. Area under the curve (average precision) "
        f"{metric(report).rstrip(',')}: {areas}.",
        f"{_bands(report)}. Grey line: the precision of calling every image positive.",
    )


def spectrum_words(report: Report) -> FigureWords:
    """The power spectra: how much power real and synthetic images have at the finest frequencies."""
    fidelity = report["fidelity"]
    own = {"all images": fidelity, **{f"“{label}”": one for label, one in fidelity["per_class"].items()}}
    parts = [
        f"{name} {times(one['finest']['value'])} (other real images {times(one['finest']['real'])})"
        for name, one in own.items()
        if one["finest"]
    ]
    finest = f" At the finest frequencies the power is, as a multiple of that of the reference: {'; '.join(parts)}."
    return FigureWords(
        "Power spectra of synthetic images and of real ones, the half of the training images that is not the "
        f"reference.{finest if parts else ''}",
        "Left: coarse shapes, right: grain; grey: the finest frequencies. A line above the dashed one at the right is "
        "grain or a pattern of pixels, one below it lacks fine detail.",
    )


def calibration_words(report: Report) -> FigureWords:
    """The reliability diagrams: each arm's calibration error."""
    errors = "; ".join(
        f"{name} {arm['calibration']['expected_error']:.3f} ({arm['calibration']['error_if_perfect']:.3f})"
        for name, arm in report["arms"].items()
    )
    return FigureWords(
        "Reliability diagram of each arm on the real test images. Expected calibration error (in brackets: what "
        f"perfect probabilities would have by chance): {errors}.",
        "Ten bins of equal width. On the diagonal the observed frequency equals the probability. Larger markers: more "
        f"images.{_pooled(report)}",
    )


def confusion_words(report: Report) -> FigureWords:
    """The confusion matrices: what each arm takes most often for something else."""
    labels, said = report["dataset"]["labels"], []
    for name, arm in report["arms"].items():
        rows = arm["confusion"]
        errors = [
            (called / max(1, sum(row)), labels[k], labels[j])
            for k, row in enumerate(rows)
            for j, called in enumerate(row)
            if j != k and called
        ]
        if errors:
            part, true, called_label = max(errors, key=lambda error: error[0])
            said.append(f"{name} takes {percent(part)} of “{true}” for “{called_label}”")
        else:
            said.append(f"{name} makes no mistake")
    return FigureWords(
        f"Confusion matrix of each arm on the real test images. Its most frequent mistake: {'; '.join(said)}.",
        f"Per cent of the images of each true class (row) predicted as each class (column).{_pooled(report)}",
    )


def history_words(report: Report) -> FigureWords:
    """The training curves: the validation accuracy of the weights kept."""
    ends = []
    for name, arm in report["arms"].items():
        kept = [
            row["validation_accuracy"]
            for rows, seed in zip(arm["history"], arm["seeds"], strict=True)
            for row in rows
            if row["step"] == seed["best_step"]
        ]
        if kept:
            ends.append(f"{name} {percent(sum(kept) / len(kept))}")
    lines = " Thick: mean over seeds; thin: each seed." if _has_seeds(report) else ""
    return FigureWords(
        f"Loss and accuracy during training. Validation accuracy of the tested weights: {'; '.join(ends)}.",
        f"Dashed: the arm’s own training images, which are synthetic ones in {without_real_images()}. Solid: the real "
        f"validation images.{lines}",
    )


def _has_seeds(report: Report) -> bool:
    return len(report["arms"]["real"]["seeds"]) > 1


def _bands(report: Report) -> str:
    """What the lines and bands of a curve are."""
    several = _has_seeds(report)
    mean = "Lines: averaged over seeds. " if several else ""
    return f"{mean}Bands: 95 %, point by point, over patients{' and seeds' if several else ''}"


def _pooled(report: Report) -> str:
    return " All seeds together." if _has_seeds(report) else ""


def examples_gallery(report: Report, real: Examples, synthetic: Examples) -> Gallery | None:
    """Real beside synthetic images, a row for each label that has any; None if there are no images.

    Args:
        report: the report, for its labels.
        real: training images by label, of which the first six are shown.
        synthetic: synthetic images by label, likewise.

    """
    kinds = {
        kind: examples
        for kind, examples in (("real", real), ("synthetic", synthetic))
        if any(len(images) for images in examples.values())
    }
    rows = [
        (label, tuple(_strip(examples, kind, label, report) for kind, examples in kinds.items()))
        for label in report["dataset"]["labels"]
    ]
    rows = [(label, strips) for label, strips in rows if any(strips)]
    if not rows:
        return None
    caption = (
        "Not chosen by eye. The real images are training images. The synthetic ones are shown as the generator"
        f"{' of GAN 0' if len(rows_of_gans(report)) > 1 else ''} made them, whatever they resemble."
    )
    return Gallery(caption, tuple(kind.capitalize() for kind in kinds), tuple(rows))


def _strip(examples: Examples, kind: str, label: str, report: Report) -> Strip | None:
    images = examples.get(label)
    if images is None or len(images) == 0:
        return None
    shown = images[:_SHOWN]
    text = f"{counted(len(shown), kind + ' image')} of “{label}”"
    made_from = {"checkpoint": report["provenance"]["checkpoint"], "labels": [label]}
    return Strip(shown, text, made_from if kind == "synthetic" else None)
