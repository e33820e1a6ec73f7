"""The report's figures: one row for each, with its words and its drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.figures import gans_behind, group_by_arm
from gan_aug.evaluation.outcome.files import figure_names
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.precision_recall import precision_recall_band, prevalence
from gan_aug.evaluation.statistics.roc import roc_band
from gan_aug.evaluation.statistics.uncertainty import Gans
from gan_aug.report.blocks import Figure
from gan_aug.report.plots.calibration import calibration_svg
from gan_aug.report.plots.confusion import confusion_svg
from gan_aug.report.plots.curves import history_svg, precision_recall_svg, roc_svg
from gan_aug.report.plots.forest import forest_svg
from gan_aug.report.plots.learning_curves import curves_svg
from gan_aug.report.plots.spectrum import spectrum_svg
from gan_aug.report.words import figures as words
from gan_aug.report.words.text import Report


@dataclass(frozen=True)
class _TestScores:
    """The truth on the test images, and the scores of each arm's seeds on them."""

    truth: GroundTruth
    by_arm: Mapping[str, Sequence[npt.NDArray[np.float64]]]
    gans: Mapping[str, Gans]
    """The GAN behind each seed of each arm."""


@dataclass(frozen=True)
class _Row:
    """A figure: its name in `figure_names`, its heading, its words, what draws it, whether it is wide."""

    name: str
    title: str
    words: Callable[[Report], words.FigureWords]
    draw: Callable[[Report, _TestScores], str | None]
    is_wide: bool = False


def draw_figures(report: Report, cells: Sequence[CellResult], manifest: Manifest) -> dict[str, Figure]:
    """The figures of a report by name, in the order of `figure_names`.

    Args:
        report: the report of `build_report`.
        cells: the results it was built from.
        manifest: the data set, for the truth on the test images.

    """
    arms = group_by_arm(cells)
    scores = {arm: [cell.test_scores for cell in of_arm] for arm, of_arm in arms.items()}
    gans = {arm: gans_behind(of_arm) for arm, of_arm in arms.items()}
    tested = _TestScores(GroundTruth.of(manifest, "test"), scores, gans)
    return {
        figure.name: replace(figure, svg=_ROWS[figure.name].draw(report, tested) or "")
        for figure in described_figures(report)
    }


def described_figures(report: Report) -> list[Figure]:
    """The figures of a report in words, not drawn, in the order of `figure_names`."""
    rows = [_ROWS[name] for name in figure_names(report)]
    return [Figure(row.name, row.title, *row.words(report), row.is_wide) for row in rows]


def _roc(_: Report, tested: _TestScores) -> str:
    return roc_svg({arm: roc_band(tested.truth, seeds, tested.gans[arm]) for arm, seeds in tested.by_arm.items()})


def _precision_recall(_: Report, tested: _TestScores) -> str:
    bands = {arm: precision_recall_band(tested.truth, seeds, tested.gans[arm]) for arm, seeds in tested.by_arm.items()}
    return precision_recall_svg(bands, prevalence(tested.truth))


def _calibration(report: Report, tested: _TestScores) -> str:
    positive = report["dataset"]["positive"] if tested.truth.positive is not None else None
    return calibration_svg(report["arms"], positive)


_ROWS = {
    row.name: row
    for row in (
        _Row(
            "differences",
            "Differences in AUC",
            words.differences_words,
            lambda report, _: forest_svg(words.forest_rows(report), report["comparisons"][0]["margin"]),
        ),
        _Row("learning-curves", "Learning curves", words.curves_words, lambda report, _: curves_svg(report["curves"])),
        _Row("roc", "ROC curves", words.roc_words, _roc),
        _Row("precision-recall", "Precision–recall curves", words.precision_words, _precision_recall),
        _Row(
            "spectrum",
            "Power spectra",
            words.spectrum_words,
            lambda report, _: spectrum_svg(report["fidelity"]),
            is_wide=True,
        ),
        _Row("calibration", "Reliability diagrams", words.calibration_words, _calibration, is_wide=True),
        _Row(
            "confusion",
            "Confusion matrices",
            words.confusion_words,
            lambda report, _: confusion_svg(report["arms"], report["dataset"]["labels"]),
            is_wide=True,
        ),
        _Row(
            "history",
            "How training went",
            words.history_words,
            lambda report, _: history_svg(report["arms"]),
            is_wide=True,
        ),
    )
}
