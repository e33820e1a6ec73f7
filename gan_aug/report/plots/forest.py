"""The forest plot: the difference in AUC of each comparison with its interval, beside zero and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gan_aug.report.plots.base import COLOURS, new_figure, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"improves": COLOURS[2], "non-inferior": COLOURS[0], "inferior": COLOURS[1], "inconclusive": "#444444"}
_MARKERS = {"improves": "^", "non-inferior": "s", "inferior": "v", "inconclusive": "o"}
Notes = Sequence[tuple[str, str, str]]


def forest_svg(comparisons: Sequence[dict[str, Any]], notes: Notes) -> str:
    """The comparisons of a report as an SVG element, the first on top.

    `notes` has three texts for each: the difference with its interval, the p after Holm, and the verdict.
    """
    with new_figure(9.6, 1.3 + 0.42 * len(comparisons)) as figure:
        axes, words = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [5, 5]})
        _draw_differences(axes, comparisons)
        _write_notes(words, notes)
        return svg_of(figure, "differences")


def _draw_differences(axes: Axes, comparisons: Sequence[dict[str, Any]]) -> None:
    margin = comparisons[0]["margin"]
    rows = range(len(comparisons))
    axes.axvspan(-margin, margin, color="#0072B2", alpha=0.07, lw=0)
    axes.axvline(0, color="#333333", lw=1.0)
    axes.axvline(-margin, color="#333333", lw=1.0, ls="--")
    for row, comparison in zip(rows, comparisons, strict=True):
        (low, high), verdict = comparison["ci95"], comparison["verdict"]
        axes.plot([low, high], [row, row], color=_COLOURS[verdict], lw=2.0, solid_capstyle="butt")
        axes.plot(comparison["difference"], row, color=_COLOURS[verdict], marker=_MARKERS[verdict], ms=7, lw=0)
    ends = [abs(end) for comparison in comparisons for end in comparison["ci95"]]
    reach = 1.08 * max(margin, *ends)
    axes.set(xlim=(-reach, reach), ylim=(len(comparisons) - 0.5, -0.5), yticks=list(rows))
    reference = comparisons[0]["against"]
    axes.set_yticklabels([_named(comparison, reference) for comparison in comparisons])
    axes.locator_params(axis="x", nbins=6)  # more ticks with long numbers, such as -0.075, would overlap
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    others = any(comparison["against"] != reference for comparison in comparisons)
    unless = ", unless another arm is named" if others else ""
    axes.set_xlabel(f"Difference in AUC from “{reference}”{unless}\n(dashed: the margin, −{margin:g})")
    axes.set_title("worse  ←      →  better", fontsize=10, color="#333333")


def _named(comparison: dict[str, Any], reference: str) -> str:
    """The arm; if it is compared with another one than the reference, that one too."""
    arm, against = comparison["arm"], comparison["against"]
    return arm if against == reference else f"{arm}\nfrom {against}"


def _write_notes(axes: Axes, notes: Notes) -> None:
    """Words in columns, in line with the intervals beside them."""
    places = (0.0, 0.56, 0.80)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    heads = ("Difference (95 % CI)", "p (Holm)", "Verdict")
    for place, head in zip(places, heads, strict=True):
        axes.text(place, 1.02, head, transform=axes.transAxes, va="bottom", fontweight="bold")
    for row, cells in enumerate(notes):
        for place, text in zip(places, cells, strict=True):
            axes.text(place, row, text, va="center")
