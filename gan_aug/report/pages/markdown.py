"""The report as Markdown that reads well on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import indent

from gan_aug.report.blocks import Alarm, Answer, Block, Code, Facts, Figure, Gallery, Items, Paragraphs, Table, Verdict
from gan_aug.report.sections import Material, Medium, filled_sections, title
from gan_aug.report.words.text import Report

# What a viewer would take for the beginning of an HTML tag.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def to_markdown(report: Report) -> str:
    """The report of `build_report` as Markdown: the verdict, the tables, the origin of the numbers, their limits."""
    parts = [f"# {_inline(title(report))}"]
    for section, blocks in filled_sections(Material(report), Medium.TEXT):
        parts += [f"## {section.heading}"] if section.heading else []
        parts += [part for block in blocks for part in _drawn(block)]
    return "\n\n".join(parts) + "\n"


def _drawn(block: Block) -> list[str]:
    """A block as paragraphs of Markdown; none if only a page can show it."""
    match block:
        case Table():
            return [_table(block)]
        case Facts(table):
            return [_list([f"{what}: {value}" for what, value in table.rows])]
        case Figure():
            return [f"[{block.title}]({block.file}): {_inline(block.text)}"]
        case Gallery():
            return []
        case Code(summary, text):
            return [_inline(summary), indent(text.rstrip(), "    ")]
        case _:
            return _said(block)


def _said(block: Alarm | Verdict | Answer | Paragraphs | Items) -> list[str]:
    """A block of sentences as paragraphs of Markdown."""
    match block:
        case Alarm(texts):
            return [f"**{_inline(text)}**" for text in texts]
        case Verdict(word, sentence, numbers, limits):
            boxed = f"> **{_inline(word[0].upper() + word[1:])}.** {_inline(sentence)}"
            return [boxed, _inline(numbers), *(["What limits it:", _list(limits)] if limits else [])]
        case Answer(texts, basis):
            return [_inline(text) for text in (*texts, basis)]
        case Paragraphs(texts):
            return [_inline(text) for text in texts]
        case Items(texts, numbered):
            return [_list(texts, numbered)]


def _table(table: Table) -> str:
    """A table with its caption below."""
    return f"{drawn_table(table)}\n\n{_inline(table.caption)}"


def drawn_table(table: Table) -> str:
    """A table with its columns in line, without its caption."""
    rows = [tuple(_escaped(cell) for cell in row) for row in (table.head, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _list(items: Sequence[str], numbered: bool = False) -> str:
    marks = (f"{number}." if numbered else "-" for number in range(1, len(items) + 1))
    return "\n".join(f"{mark} {_inline(item)}" for mark, item in zip(marks, items, strict=True))


def _escaped(cell: str) -> str:
    return _inline(cell).replace("|", "\\|")


def _inline(text: str) -> str:
    """The text on one line and without tags: a label may hold a line break or look like a tag."""
    return _TAG.sub(r"\\<", " ".join(text.splitlines()))
