"""The report's figures: drawn as SVG, and told in words for those who cannot see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.figures import group_by_arm
from gan_aug.evaluation.outcome.files import figure_names
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.precision_recall import precision_recall_band, prevalence
from gan_aug.evaluation.statistics.roc import roc_band
from gan_aug.report.plots.calibration import calibration_svg
from gan_aug.report.plots.confusion import confusion_svg
from gan_aug.report.plots.curves import history_svg, precision_recall_svg, roc_svg
from gan_aug.report.plots.forest import forest_svg
from gan_aug.report.plots.learning_curves import curves_svg
from gan_aug.report.words.text import Report, counted, digits, metric, p_text, percent, share, signed
from gan_aug.run import layout


@dataclass(frozen=True)
class Figure:
    """A figure of the report: its heading, what it shows in words, how to read it, and itself as an SVG element."""

    name: str
    title: str
    text: str
    reading: str
    svg: str

    @property
    def file(self) -> str:
        """Where it is, below the run folder."""
        return f"{layout.FIGURES}/{self.name}.svg"

    @property
    def document(self) -> str:
        """The figure as a file of its own, with its words inside."""
        start = self.svg.index(">") + 1
        text = "".join(letter if letter.isprintable() else " " for letter in self.text)  # for XML
        words = f"<title>{escape(self.title)}</title><desc>{escape(text)}</desc>"
        return f'<?xml version="1.0" encoding="utf-8"?>\n{self.svg[:start]}{words}{self.svg[start:]}'


def draw_figures(report: Report, cells: Sequence[CellResult], manifest: Manifest) -> dict[str, Figure]:
    """The figures of the report of `build_report` by name, in the order of `figure_names`."""
    truth, arms, data = GroundTruth.of(manifest, "test"), report["arms"], report["dataset"]
    scores = {arm: [cell.test_scores for cell in of_arm] for arm, of_arm in group_by_arm(cells).items()}
    positive = data["positive"] if truth.positive is not None else None
    drawings: dict[str, Callable[[], str | None]] = {
        "differences": lambda: forest_svg(report["comparisons"], _notes(report)),
        "learning-curves": lambda: curves_svg(report["curves"]),
        "roc": lambda: roc_svg({arm: roc_band(truth, seeds) for arm, seeds in scores.items()}),
        "precision-recall": lambda: precision_recall_svg(
            {arm: precision_recall_band(truth, seeds) for arm, seeds in scores.items()}, prevalence(truth)
        ),
        "calibration": lambda: calibration_svg(arms, positive),
        "confusion": lambda: confusion_svg(arms, data["labels"]),
        "history": lambda: history_svg(arms),
    }
    told = {name: (title, text, reading) for name, title, text, reading in figure_words(report)}
    return {name: Figure(name, *told[name], drawings[name]() or "") for name in told}


def figure_words(report: Report) -> list[tuple[str, str, str, str]]:
    """Name, heading, what it shows and how to read it, of each figure of a report."""
    several = len(report["arms"]["real"]["seeds"]) > 1
    over = f"Bands: 95 %, point by point, over patients{' and seeds' if several else ''}"
    mean = "Lines: averaged over seeds. " if several else ""
    pooled = "All seeds together." if several else ""
    words: dict[str, tuple[str, Callable[[Report], str], str]] = {
        "differences": (
            "Differences in AUC",
            _differences_text,
            "Lines: 95 % intervals. An interval right of the dashed line rules out a loss as large as the margin.",
        ),
        "learning-curves": (
            "Learning curves",
            _curves_text,
            "Bands: 95 %, over test patients, draws of the images and training seeds; an arrow: it goes on beyond.",
        ),
        "roc": ("ROC curves", _roc_text, f"{mean}{over}; a curve that misses nothing has no visible band."),
        "precision-recall": (
            "Precision–recall curves",
            _precision_text,
            f"{mean}{over}. Grey line: the precision of calling every image positive.",
        ),
        "calibration": (
            "Reliability diagrams",
            _calibration_text,
            f"Ten equal steps of probability; on the diagonal a probability means what it says. Larger markers: more "
            f"images. {pooled}".strip(),
        ),
        "confusion": (
            "Confusion matrices",
            _confusion_text,
            f"Per cent of the images of each true class (row) called each class (column). {pooled}".strip(),
        ),
        "history": (
            "How training went",
            _history_text,
            "Dashed: the arm’s own training images, which are synthetic ones in the arm “synthetic”. Solid: the real "
            f"validation images.{' Thick: mean over seeds; thin: each seed.' if several else ''}",
        ),
    }
    return [
        (name, title, text(report), reading)
        for name, (title, text, reading) in ((name, words[name]) for name in figure_names(report))
    ]


def _notes(report: Report) -> list[tuple[str, str, str]]:
    """Beside each interval of the forest plot: the difference, its p after Holm, the verdict."""
    decimals = digits(report)
    return [
        (
            f"{signed(c['difference'], decimals)} ({' to '.join(signed(end, decimals) for end in c['ci95'])})",
            p_text(c["p_adjusted"]).removeprefix("p ").removeprefix("= "),
            c["verdict"],
        )
        for c in report["comparisons"]
    ]


def _differences_text(report: Report) -> str:
    parts = [
        f"{_compared(comparison)} {difference}, p {p if p.startswith('<') else f'= {p}'} after Holm, {verdict}"
        for comparison, (difference, p, verdict) in zip(report["comparisons"], _notes(report), strict=True)
    ]
    margin = f"{report['comparisons'][0]['margin']:g}"
    return f"Difference in AUC of each arm from “real”, beside zero and the margin of −{margin}: {'; '.join(parts)}."


def _compared(comparison: dict[str, Any]) -> str:
    arm, against = comparison["arm"], comparison["against"]
    return arm if against == "real" else f"{arm} from “{against}”"


def _curves_text(report: Report) -> str:
    decimals, ends = digits(report), []
    for arm in dict.fromkeys(row["arm"] for row in report["curves"]):
        own = [row for row in report["curves"] if row["arm"] == arm]
        first, last = (f"{share(row['auc']['value'], decimals)} at {row['size']}" for row in (own[0], own[-1]))
        ends.append(f"{arm} {first}, {last}" if len(own) > 1 else f"{arm} {first}")
    return f"AUC by the number of real training images, every point in the table below: {'; '.join(ends)}."


def _roc_text(report: Report) -> str:
    decimals = digits(report)
    areas = "; ".join(f"{name} {share(arm['auc']['value'], decimals)}" for name, arm in report["arms"].items())
    return f"ROC curves of the arms on the real test images, AUC {metric(report).rstrip(',')}: {areas}."


def _precision_text(report: Report) -> str:
    areas = "; ".join(f"{name} {share(arm['average_precision'], 3)}" for name, arm in report["arms"].items())
    return (
        "Precision–recall curves of the arms on the real test images, area under the curve (average precision) "
        f"{metric(report).rstrip(',')}: {areas}."
    )


def _calibration_text(report: Report) -> str:
    errors = "; ".join(
        f"{name} {arm['calibration']['expected_error']:.3f} ({arm['calibration']['error_if_perfect']:.3f})"
        for name, arm in report["arms"].items()
    )
    return (
        "Reliability diagram of each arm on the real test images, expected calibration error (in brackets what perfect "
        f"probabilities would have by chance): {errors}."
    )


def _confusion_text(report: Report) -> str:
    """What each arm takes most often for something else."""
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
    return f"Confusion matrix of each arm on the real test images; its most frequent mistake: {'; '.join(said)}."


def _history_text(report: Report) -> str:
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
    return f"Loss and accuracy during training; validation accuracy of the weights kept: {'; '.join(ends)}."


def examples_text(count: int, kind: str, label: str) -> str:
    """What a strip of example images shows."""
    return f"{counted(count, kind + ' image')} of “{label}”"
