"""The power spectra of real and synthetic images, over all images and for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gan_aug.evaluation.fidelity.spectrum import FINEST, NYQUIST
from gan_aug.report.plots.base import COLOURS, new_figure, panels_of, short, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 3
_MOST_CLASSES = 5
"""With more classes than this a figure of all images alone is easier to read."""

_LEAST = 1e-2
"""Squared grey values: a logarithmic axis has no place for none."""


def spectrum_svg(fidelity: Mapping[str, Any]) -> str:
    """The spectra of a report's `fidelity`, a panel for all images and one for each class, as an SVG element."""
    classes = fidelity["per_class"] if len(fidelity["per_class"]) <= _MOST_CLASSES else {}
    found = {"All images": fidelity, **{f"“{short(label)}”": own for label, own in classes.items()}}
    shown = {name: own for name, own in found.items() if own["spectrum"]}
    across, down = panels_of(len(shown), _ACROSS)
    with new_figure(1.0 + 3.1 * across, 0.5 + 2.9 * down) as figure:
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (name, own) in zip(panels, shown.items(), strict=False):
            _draw(axes, own["spectrum"])
            finest = own["finest"]
            said = f"\nfinest power {finest['value']:.2g} × real" if finest else ""
            axes.set_title(f"{name}{said}", fontsize=10, parse_math=False)
        for spare in panels[len(shown) :]:
            spare.set_visible(False)
        panels[0].legend(loc="lower left", fontsize=9)
        figure.supxlabel("Frequency (waves per pixel)", fontsize=10)
        figure.supylabel("Power (squared grey values)", fontsize=10)
        return svg_of(figure, "spectrum")


def _draw(axes: Axes, spectrum: Mapping[str, Any]) -> None:
    axes.axvspan(FINEST, NYQUIST, color="#eeeeee", lw=0)
    lines = (("real", "real", "#555555", "--"), ("synthetic", "synthetic", COLOURS[1], "-"))
    for side, name, colour, style in lines:
        power = [max(_LEAST, value) for value in spectrum[side]]
        axes.plot(spectrum["frequencies"], power, color=colour, ls=style, lw=1.7, label=name)
    axes.set_yscale("log")
    axes.set_xlim(0, NYQUIST)
