"""The report as Markdown that reads well on a terminal."""

from __future__ import annotations

import re

from gan_aug.report.plots.all import figure_words
from gan_aug.report.words.checklist import checklist_table
from gan_aug.report.words.checks import alarm, canaries_table, curves_answer, curves_table, ratio_table
from gan_aug.report.words.fidelity import fidelity_classes_table, fidelity_table, fidelity_text
from gan_aug.report.words.methods import methods
from gan_aug.report.words.tables import (
    Table,
    arms_table,
    comparisons_table,
    data_table,
    more_figures_table,
    operating_points_table,
    per_class_table,
    sources_table,
)
from gan_aug.report.words.text import Report, basis, limits
from gan_aug.report.words.verdict import answer
from gan_aug.run import layout

_APPENDIX = "## Figures"
# What a viewer would take for HTML: a label may look like a tag.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def to_markdown(report: Report) -> str:
    """The report of `build_report` as Markdown: the answer, the tables, where figures come from, their limits.

    Below them what a terminal need not show (see `without_appendix`): figures, methods, checklist.
    """
    parts = [f"# {report['dataset']['name']}: trained on real and on synthetic images, tested on real ones"]
    parts += [f"**{sentence}**" for sentence in alarm(report)]
    parts += answer(report) + curves_answer(report)
    parts = [_on_one_line(part) for part in parts]
    parts += [basis(report), "## Arms", _table(arms_table(report))]
    parts += [_table(more_figures_table(report)), _table(operating_points_table(report))]
    comparisons = comparisons_table(report)
    if comparisons:
        parts += ["## Comparisons", _table(comparisons)]
    parts += _optional("### Ratio", ratio_table(report)) + _optional("## Learning curves", curves_table(report))
    parts += ["## Classes", _table(per_class_table(report))]
    fidelity, of_classes = fidelity_table(report), fidelity_classes_table(report)
    if fidelity and of_classes:
        parts += ["## Fidelity", *fidelity_text(report), _table(fidelity), _table(of_classes)]
    parts += _optional("## Canaries", canaries_table(report))
    parts += ["## The images", _table(data_table(report))]
    sources = [f"{what}: {where}" for what, where in sources_table(report).rows]
    parts += ["## Where each number comes from", _list(sources), "## Limits", _list(limits(report))]
    return _TAG.sub(r"\\<", "\n\n".join([*parts, *_appendix(report)]) + "\n")


def without_appendix(text: str) -> str:
    """The text of `to_markdown` as far as a terminal shows it."""
    return text.partition(f"\n{_APPENDIX}\n")[0]


def _appendix(report: Report) -> list[str]:
    figures = [f"[{title}]({layout.FIGURES}/{name}.svg): {text}" for name, title, text, _ in figure_words(report)]
    paragraphs, references = methods(report)
    numbered = "\n".join(f"{number}. {reference}" for number, reference in enumerate(references, start=1))
    return [
        *(_APPENDIX, _list(figures)),
        *("## Methods, ready to paste", *map(_on_one_line, paragraphs), numbered),
        *("## CLAIM checklist", _table(checklist_table(report))),
    ]


def _optional(heading: str, table: Table | None) -> list[str]:
    return [heading, _table(table)] if table else []


def _table(table: Table) -> str:
    """A table with its columns in line, and its caption below."""
    rows = [tuple(_escaped(cell) for cell in row) for row in (table.head, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:], "", _on_one_line(table.caption)])


def _list(items: list[str]) -> str:
    return "\n".join(f"- {_on_one_line(item)}" for item in items)


def _escaped(cell: str) -> str:
    return _on_one_line(cell).replace("|", "\\|")


def _on_one_line(text: str) -> str:
    """A label may hold a line break, which would end the row or the paragraph."""
    return " ".join(text.splitlines())
