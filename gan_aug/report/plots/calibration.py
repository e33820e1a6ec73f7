"""The reliability diagrams: predicted probabilities against observed frequencies, a panel for each arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gan_aug.report.plots.base import COLOURS, new_figure, panels_of, short, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 3
_LARGEST = 170
"""The area of a marker that stands for all images, in square points."""


def calibration_svg(arms: Mapping[str, Any], positive: str | None) -> str:
    """Each arm's calibration curve in a panel of its own, as an SVG element.

    A marker grows with the number of images behind it. `positive` is the label whose probability is shown, or None if
    the probabilities are those of all labels.
    """
    across, down = panels_of(len(arms), _ACROSS)
    with new_figure(0.6 + 3.1 * across, 0.3 + 3.1 * down) as figure:
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for number, (name, arm) in enumerate(arms.items()):
            _draw(panels[number], arm["calibration"], COLOURS[number % len(COLOURS)])
            error, perfect = (arm["calibration"][key] for key in ("expected_error", "error_if_perfect"))
            panels[number].set_title(f"{name}\nerror {error:.3f}, if perfect {perfect:.3f}", fontsize=10)
        for spare in panels[len(arms) :]:
            spare.set_visible(False)
        of_what = f" of “{short(positive)}”" if positive else ""
        figure.supxlabel(f"Predicted probability{of_what}", fontsize=10, parse_math=False)
        figure.supylabel("Observed frequency", fontsize=10)
        return svg_of(figure, "calibration")


def _draw(axes: Axes, calibration: Mapping[str, Any], colour: str) -> None:
    curve = calibration["curve"]
    total = sum(part["count"] for part in curve)
    x, y = [part["predicted"] for part in curve], [part["observed"] for part in curve]
    axes.plot([0, 1], [0, 1], color="#767676", lw=0.8)
    axes.plot(x, y, color=colour, lw=1.4)
    sizes = [max(8.0, _LARGEST * math.sqrt(part["count"] / total)) for part in curve]
    axes.scatter(x, y, s=sizes, color=colour, alpha=0.75, lw=0, zorder=3)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
