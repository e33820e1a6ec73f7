"""The learning curves: AUC by the number of real training images, a line with its band for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.report.plots.base import COLOURS, STYLES, new_figure, svg_of, write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 7.6, 4.6
_MARKERS = "os^DvPX*"
Rows = Sequence[dict[str, Any]]


def curves_svg(rows: Rows) -> str:
    """The curves of `learning_curves.curve_rows` as an SVG element."""
    with new_figure(_WIDTH, _HEIGHT) as figure:
        draw_curves(figure.subplots(), rows)
        return svg_of(figure, "curves")


def curves_png(rows: Rows, path: Path) -> None:
    """The curves of `learning_curves.curve_rows` drawn to the PNG file `path`."""
    with new_figure(_WIDTH, _HEIGHT) as figure:
        draw_curves(figure.subplots(), rows)
        write_png(figure, path)


def draw_curves(axes: Axes, rows: Rows) -> None:
    """Draw each arm's mean AUC with its band, the sizes on a logarithmic axis.

    Arms are set a little apart, so that their bars do not hide each other. An arrow at the edge marks a band that goes
    on beyond it.
    """
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    sizes = sorted({row["size"] for row in rows})
    bottom, top = _limits([row["auc"]["value"] for row in rows])
    for number, arm in enumerate(arms):
        own = [row for row in rows if row["arm"] == arm]
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
        aside = 1 + 0.02 * (number - (len(arms) - 1) / 2)
        x, y = [row["size"] * aside for row in own], [row["auc"]["value"] for row in own]
        axes.plot(x, y, color=colour, ls=style, marker=_MARKERS[number % len(_MARKERS)], ms=4.5, lw=1.6, label=arm)
        lows, highs = ([row["auc"]["ci95"][end] for row in own] for end in (0, 1))
        axes.fill_between(x, lows, highs, color=colour, alpha=0.10, lw=0)
        axes.vlines(x, lows, highs, color=colour, lw=1.0, alpha=0.7)
        for edge, ends, side, marker in ((bottom, lows, -1, "v"), (top, highs, 1, "^")):
            beyond = [at for at, end in zip(x, ends, strict=True) if side * end > side * edge]
            axes.plot(beyond, [edge] * len(beyond), color=colour, marker=marker, ms=6, lw=0, clip_on=False)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set(xlabel="Real training images (logarithmic)", ylabel="AUC on the real test images")
    axes.set_ylim(bottom, top)
    axes.legend(loc="lower right")


def _limits(means: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis, from the means alone: the band of few draws can be far wider than their differences."""
    room = 0.6 * (max(means) - min(means)) + 0.005
    return max(0.0, min(means) - room), min(1.002, max(means) + room)
