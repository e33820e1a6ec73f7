"""What all figures share: colours, lines, size, and how they become files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.run.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Okabe & Ito's palette, which colour-blind readers can tell apart. Brown replaces its yellow, which is too light for
# lines. In print without colour the line styles tell the arms apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gan-aug",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "legend.frameon": False,
}

LETTERS = 16
"""How many letters of a label a figure shows."""


def short(label: str) -> str:
    """A label's name as a figure shows it: cut if it is long, with `?` for what cannot be printed."""
    name = "".join(letter if letter.isprintable() else "?" for letter in label)
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of `width` x `height` inches in the project's style, drawn without a display."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def panels_of(count: int, most: int) -> tuple[int, int]:
    """Columns and rows for `count` panels, at most `most` side by side, in rows of as equal a length as possible."""
    down = -(-count // most)
    return -(-count // down), down


def write_png(figure: Figure, path: Path) -> None:
    """Write the figure to the PNG file `path`, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def svg_of(figure: Figure, name: str) -> str:
    """The figure as an SVG element whose identifiers start with `name`, so that several may stand in one page."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a label that the reader's font may well have
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", element)
