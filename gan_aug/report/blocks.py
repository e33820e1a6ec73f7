"""The kinds of block that the report's sections are made of.

A page and a text each draw every kind in their own way, and know nothing else of a section.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gan_aug.run import layout


@dataclass(frozen=True)
class Alarm:
    """Sentences that nobody may overlook."""

    kind: ClassVar[str] = "alarm"
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What a reader came for: paragraphs, the first the most important, and one line on what they rest on."""

    kind: ClassVar[str] = "answer"
    texts: tuple[str, ...]
    basis: str


@dataclass(frozen=True)
class Paragraphs:
    """Paragraphs of plain text."""

    kind: ClassVar[str] = "paragraphs"
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Items:
    """A list of sentences, with bullets or with numbers."""

    kind: ClassVar[str] = "items"
    texts: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption. The first cell of each row names the row."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    """The columns that hold words. The others hold figures, which a page aligns to the right."""


@dataclass(frozen=True)
class Facts:
    """A table of two columns, what and its value. A page draws it as a table, a text as a list."""

    kind: ClassVar[str] = "facts"
    table: Table


@dataclass(frozen=True)
class Figure:
    """A figure: its heading, what it shows in words, how to read it, and the drawing.

    A page shows the drawing, a text links to its file.
    """

    kind: ClassVar[str] = "figure"
    name: str
    title: str
    text: str
    reading: str
    is_wide: bool
    """Whether a narrow screen should scroll it sideways instead of shrinking it."""
    svg: str = ""
    """The SVG element; empty if only the words are needed."""

    @property
    def file(self) -> str:
        """Where its file is, below the run folder."""
        return f"{layout.FIGURES}/{self.name}.svg"

    @property
    def document(self) -> str:
        """The figure as a file of its own, with its words inside."""
        start = self.svg.index(">") + 1
        text = "".join(letter if letter.isprintable() else " " for letter in self.text)  # for XML
        words = f"<title>{escape(self.title)}</title><desc>{escape(text)}</desc>"
        return f'<?xml version="1.0" encoding="utf-8"?>\n{self.svg[:start]}{words}{self.svg[start:]}'


@dataclass(frozen=True)
class Strip:
    """Some example images `(n, C, H, W) uint8` in a row, and what they are in words.

    `made_from` says of synthetic ones what they were made from, as JSON values, for the mark in their files; None for
    real ones, which get no mark.
    """

    images: npt.NDArray[np.uint8]
    text: str
    made_from: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Gallery:
    """Example images: a row for each label, a column for each kind of image. Only a page can show it."""

    kind: ClassVar[str] = "gallery"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Strip | None, ...]], ...]
    """A label with its strips, one for each column; None if it has no image of that kind."""


@dataclass(frozen=True)
class Code:
    """A text to be shown as it is, such as YAML, and what it is in a line. A page folds it away."""

    kind: ClassVar[str] = "code"
    summary: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The verdict: one word in a box with one sentence, what is behind it, what limits it, a figure beside it."""

    kind: ClassVar[str] = "verdict"
    word: str
    sentence: str
    numbers: str
    limits: tuple[str, ...]
    figure: Figure | None = None


Block = Alarm | Verdict | Answer | Paragraphs | Items | Table | Facts | Figure | Gallery | Code
