"""The forest plot: each difference in AUC with its interval, beside zero and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_aug.report.plots.base import COLOURS, new_figure, svg_of
from gan_aug.report.words.figures import ForestRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"improves": COLOURS[2], "non-inferior": COLOURS[0], "inferior": COLOURS[1], "inconclusive": "#444444"}
_MARKERS = {"improves": "^", "non-inferior": "s", "inferior": "v", "inconclusive": "o"}


def forest_svg(rows: Sequence[ForestRow], margin: float) -> str:
    """The differences of a report as an SVG element, the first on top, narrow enough to stand beside a text."""
    with new_figure(5.6, 1.25 + 0.36 * len(rows)) as figure:
        axes = figure.subplots()
        axes.axvspan(-margin, margin, color="#0072B2", alpha=0.07, lw=0)
        axes.axvline(0, color="#333333", lw=1.0)
        axes.axvline(-margin, color="#333333", lw=1.0, ls="--")
        reach = _reach(rows, margin)
        for place, row in enumerate(rows):
            _draw(axes, place, row, reach)
        main = sum(row.is_main for row in rows)
        if 0 < main < len(rows):
            axes.axhline(main - 0.5, color="#999999", lw=0.8, ls=":")
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5), yticks=list(range(len(rows))))
        axes.set_yticklabels([row.label for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row.is_main else "normal")
        axes.locator_params(axis="x", nbins=4)  # more ticks with long numbers, such as -0.075, would overlap
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"Difference in AUC (dashed: the margin, −{margin:g})")
        axes.set_title("worse  ←      →  better", fontsize=10, color="#333333")
        return svg_of(figure, "differences")


def _reach(rows: Sequence[ForestRow], margin: float) -> float:
    """How far the axis reaches from zero: so far that the main rows can be read, however long the others are."""
    main = [row for row in rows if row.is_main] or rows
    return 1.15 * max(1.5 * margin, *(abs(end) for row in main for end in row.ci95))


def _draw(axes: Axes, place: int, row: ForestRow, reach: float) -> None:
    """One row; an arrow at an edge says that the interval goes on beyond."""
    colour, (low, high) = _COLOURS[row.verdict], row.ci95
    ends = max(low, -reach), min(high, reach)
    if ends[0] < ends[1]:
        axes.plot(ends, [place, place], color=colour, lw=2.0, solid_capstyle="butt")
    if abs(row.difference) <= reach:
        axes.plot(row.difference, place, color=colour, marker=_MARKERS[row.verdict], ms=7, lw=0)
    for beyond, edge, arrow in ((low < -reach, -0.97 * reach, "<"), (high > reach, 0.97 * reach, ">")):
        if beyond:
            axes.plot(edge, place, color=colour, marker=arrow, ms=6, lw=0)
    axes.annotate(
        row.note,
        (1.02, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=9,
        fontweight="bold" if row.is_main else "normal",
        annotation_clip=False,
    )
