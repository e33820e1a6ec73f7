"""The confusion matrices: which class the images of each class were predicted as, a matrix for each arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_aug.report.plots.base import new_figure, panels_of, short, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 3
_WRITTEN = 12
"""With up to this many classes, the percentages are written into the cells."""


def confusion_svg(arms: Mapping[str, Any], labels: list[str]) -> str:
    """Each arm's confusion matrix as an SVG element: per cent of each true class (row) predicted as each (column)."""
    count = len(labels)
    side = 2.3 if count <= 3 else 0.9 + 0.27 * min(count, 16)
    across, down = panels_of(len(arms), _ACROSS if count <= 6 else 2)
    with new_figure(0.9 + (side + 0.5) * across, 0.5 + (side + 0.8) * down) as figure:
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for number, (name, arm) in enumerate(arms.items()):
            _draw(panels[number], np.array(arm["confusion"], dtype=np.float64), labels)
            panels[number].set_title(name, fontsize=10)
        for spare in panels[len(arms) :]:
            spare.set_visible(False)
        figure.supxlabel("Predicted class", fontsize=10)
        figure.supylabel("True class", fontsize=10)
        return svg_of(figure, "confusion")


def _draw(axes: Axes, counts: Any, labels: list[str]) -> None:
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    edges = np.arange(len(labels) + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0, vmax=100)  # as shapes: imshow embeds a picture
    axes.set(aspect="equal", ylim=(edges[-1], edges[0]))
    axes.grid(visible=False)
    positions, names = range(len(labels)), [short(label) for label in labels]
    tilt: dict[str, Any] = {"rotation": 30, "ha": "right"} if max(map(len, names)) > 3 else {}
    axes.set_xticks(positions, names, fontsize=9, parse_math=False, **tilt)
    axes.set_yticks(positions, names, fontsize=9, parse_math=False)
    if len(labels) > _WRITTEN:
        return
    for row in positions:
        for column in positions:
            value, text = shares[row, column], _percent(shares[row, column])
            colour = "#ffffff" if value > 55 else "#1b1f24"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10 if len(labels) < 6 else 8)


def _percent(share: float) -> str:
    """A percentage for a cell: empty if no image was predicted so, and never 0 if one was."""
    if share == 0:
        return ""
    return "<1" if share < 0.5 else f"{share:.0f}"
