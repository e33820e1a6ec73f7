"""ROC, precision-recall and training curves as SVG.

Every figure is drawn without a display, with fixed identifiers and no date. So equal data give equal bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gan_aug.evaluation.statistics.curve_band import CurveBand
from gan_aug.report.plots.base import COLOURS, STYLES, new_figure, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ZOOM_FROM = 0.95
"""Above this area a curve lies so close to the corner that the corner is shown enlarged too."""
_ARMS_ACROSS = 4


def roc_svg(curves: dict[str, CurveBand]) -> str:
    """The arms' ROC curves with their bands as an SVG element.

    If every area is above 0.95, a second panel shows the upper left corner enlarged.
    """
    areas = [float(np.trapezoid(band.mean, band.x)) for band in curves.values()]
    zoom = min(areas) > _ZOOM_FROM
    with new_figure(9.2 if zoom else 4.8, 4.4) as figure:
        panels = figure.subplots(1, 2 if zoom else 1, squeeze=False)[0]
        for axes in panels:
            _draw_roc(axes, curves)
        panels[0].set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title="Whole curve" if zoom else "")
        panels[0].legend(loc="lower right")
        if zoom:
            panels[1].set(xlim=(-0.002, 0.2), ylim=(0.8, 1.002), title="Upper left corner, enlarged")
            panels[1].set(xticks=[0, 0.05, 0.1, 0.15, 0.2], yticks=[0.8, 0.85, 0.9, 0.95, 1.0])
        return svg_of(figure, "roc")


def precision_recall_svg(curves: dict[str, CurveBand], chance: float) -> str:
    """The arms' precision-recall curves with their bands as an SVG element.

    `chance` is the precision of calling every image positive, drawn as a line.
    """
    with new_figure(5.4, 4.4) as figure:
        axes = figure.subplots()
        axes.axhline(chance, color="#767676", lw=0.8)
        for i, (name, band) in enumerate(curves.items()):
            colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
            axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.15, lw=0, step="pre")
            axes.plot(band.x, band.mean, color=colour, ls=style, lw=1.8, label=name, drawstyle="steps-pre")
        lowest = min(float(band.low.min()) for band in curves.values())
        bottom = 0.0 if min(lowest, chance) < 0.5 else 0.5
        axes.set(xlim=(-0.01, 1.01), ylim=(bottom - 0.01, 1.01), xlabel="Recall (sensitivity)")
        axes.set(ylabel="Precision (positive predictive value)")
        axes.legend(loc="lower left")
        return svg_of(figure, "precision-recall")


def history_svg(arms: dict[str, Any]) -> str | None:
    """Training and validation loss and accuracy of each arm of a report as an SVG element.

    Thin lines are seeds, thick ones their mean. None if no arm has a history.
    """
    arms = {name: arm for name, arm in arms.items() if any(arm["history"])}
    if not arms:
        return None
    down = -(-len(arms) // _ARMS_ACROSS)
    across = -(-len(arms) // down)
    with new_figure(1.2 + 2.9 * across, 4.6 * down) as figure:
        panels = figure.subplots(2 * down, across, sharex=True, sharey="row", squeeze=False)
        for number, (name, arm) in enumerate(arms.items()):
            block, column = divmod(number, across)
            for row, what in enumerate(("loss", "accuracy")):
                _draw_history(panels[2 * block + row, column], arm["history"], what, COLOURS[number % len(COLOURS)])
            panels[2 * block, column].set_title(name)
            panels[2 * block + 1, column].set_xlabel("Optimiser step")
        for block in range(down):
            panels[2 * block, 0].set_ylabel("Loss")
            panels[2 * block + 1, 0].set_ylabel("Accuracy")
        for spare in range(len(arms), across * down):
            for row in (0, 1):
                panels[2 * (spare // across) + row, spare % across].set_visible(False)
        panels[0, 0].legend(loc="upper right")
        return svg_of(figure, "history")


def _draw_roc(axes: Axes, curves: dict[str, CurveBand]) -> None:
    axes.plot([0, 1], [0, 1], color="#999999", lw=0.8)
    for i, (name, band) in enumerate(curves.items()):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
        axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.15, lw=0)
        # The first point of the grid has rate 0 but a sensitivity above 0, so the curve is begun at the origin.
        x, y = np.append(0.0, band.x), np.append(0.0, band.mean)
        axes.plot(x, y, color=colour, ls=style, lw=1.8, label=name)
    axes.set(xlabel="False-positive rate (1 − specificity)", ylabel="Sensitivity")


def _draw_history(axes: Axes, history: list[list[dict[str, float]]], what: str, colour: str) -> None:
    shortest = min(len(rows) for rows in history)
    steps = [row["step"] for row in history[0][:shortest]]
    for kind, style in (("train", "--"), ("validation", "-")):
        values = np.array([[row[f"{kind}_{what}"] for row in rows[:shortest]] for rows in history])
        if len(values) > 1:
            for line in values:
                axes.plot(steps, line, color=colour, ls=style, lw=0.6, alpha=0.4)
        axes.plot(steps, values.mean(axis=0), color=colour, ls=style, lw=1.8, label=kind)
