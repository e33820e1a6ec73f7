"""The curves of a GAN's training as PNG: its losses, and what its checkpoints were worth on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_aug.errors import DataError
from gan_aug.evaluation.checkpoints.scores import CheckpointScore, Scores
from gan_aug.report.plots.base import COLOURS, STYLES, new_figure, write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY = "#767676"
_LINEAR = {"kid": 1e-2, "random_kid": 1e-3}
"""The axes of distances are linear up to here and logarithmic beyond: estimates of small distances may be negative."""

_DISTANCE, _FINEST = "Distance from real images (KID)", "Power at the finest detail"
_READING = (
    "Scores on validation images. Thin lines: training images, as real ones. Grey: the checkpoint that is kept. Red: a "
    "breakdown."
)
_LOSSES = {"loss_d": "Discriminator", "loss_g": "Generator"}
_SHARES = {"precision": "Precision", "recall": "Recall", "coverage": "Coverage", "labels": "Label agreement"}


def training_curves_png(records: Sequence[dict[str, float]], path: Path, scores: Scores | None = None) -> None:
    """Draw the GAN's losses over images seen to a PNG file, with the scores of its checkpoints beside them if any.

    Args:
        records: Each has `images`, `loss_d` and `loss_g`; other keys are ignored.
        path: The file.
        scores: Those of the checkpoints; None if they were not scored.

    Raises:
        DataError: If there is no record.
    """
    if not records:
        raise DataError(f"no training records to draw in {path}: the GAN has not taken a step yet")
    if scores is None or not scores.scores:
        with new_figure(7.0, 4.0) as figure:
            _draw_losses(figure.subplots(), records, "GAN training")
            write_png(figure, path)
        return
    from matplotlib.ticker import MaxNLocator

    with new_figure(13.0, 7.2) as figure:
        panels = figure.subplots(2, 3, sharex=True)
        _draw_losses(panels[0, 0], records, "Losses")
        _draw_figures(panels[0, 1], scores, {"kid": "by a classifier’s features"}, _DISTANCE)
        _draw_figures(panels[0, 2], scores, {"random_kid": "by random features"}, _DISTANCE)
        _draw_figures(panels[1, 0], scores, {"finest": "validation images have 1"}, _FINEST)
        _draw_figures(panels[1, 1], scores, _SHARES, "Shares")
        _draw_lead(panels[1, 2], scores.scores)
        for axes in panels.flat:
            _mark_decisions(axes, scores)
        for axes in panels[1]:
            axes.set_xlabel("Training images seen")
            axes.xaxis.set_major_locator(MaxNLocator(5))
        figure.suptitle(_READING, fontsize=9, color=_GREY)
        write_png(figure, path)


def _draw_losses(axes: Axes, records: Sequence[dict[str, float]], title: str) -> None:
    seen = [record["images"] for record in records]
    for number, (key, name) in enumerate(_LOSSES.items()):
        axes.plot(seen, [record[key] for record in records], color=COLOURS[number], ls=STYLES[number], label=name)
    axes.set(xlabel="Training images seen", ylabel="Loss", title=title)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend()


def _draw_figures(axes: Axes, scores: Scores, names: dict[str, str], title: str) -> None:
    """Draw figures of the checkpoints; a thin line of the same colour is the figure of real images."""
    seen = [one.images for one in scores.scores]
    for number, (key, name) in enumerate(names.items()):
        values = [getattr(one.likeness, key) for one in scores.scores]
        colour, style = COLOURS[number], STYLES[number]
        axes.plot(seen, values, color=colour, ls=style, marker="o", ms=3, label=name)
        axes.axhline(getattr(scores.real, key), color=colour, ls=style, lw=0.7)
        if key in _LINEAR:
            least, most = axes.get_ylim()
            axes.set_yscale("symlog", linthresh=_LINEAR[key])
            axes.set_ylim(min(least, -2 * _LINEAR[key]), max(most, 2 * _LINEAR[key]))
    axes.set_title(title)
    axes.legend()


def _draw_lead(axes: Axes, rows: Sequence[CheckpointScore]) -> None:
    seen = [row.images for row in rows]
    axes.plot(seen, [row.lead for row in rows], color=COLOURS[0], marker="o", ms=3, label="on validation images")
    axes.plot(seen, [row.training_lead for row in rows], color=COLOURS[1], ls="--", label="on training images")
    axes.set_title("Lead of the discriminator")
    axes.legend()


def _mark_decisions(axes: Axes, scores: Scores) -> None:
    """Mark the checkpoint that is kept, and where the training broke down."""
    if scores.best is not None:
        axes.axvline(scores.best, color=_GREY, lw=0.8)
    for restart in scores.restarts:
        axes.axvline(restart.broke_at, color="#C00000", ls=":", lw=0.8)
