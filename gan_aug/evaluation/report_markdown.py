"""The report as Markdown that reads well on a terminal."""

from __future__ import annotations

from gan_aug.evaluation.report_checks import alarm, canaries_table, curves_answer, curves_table, ratio_table
from gan_aug.evaluation.report_fidelity import fidelity_classes_table, fidelity_table, fidelity_text
from gan_aug.evaluation.report_tables import (
    Table,
    arms_table,
    comparisons_table,
    more_figures_table,
    per_class_table,
    sources_table,
)
from gan_aug.evaluation.report_text import Report, answer, basis, limits


def to_markdown(report: Report) -> str:
    """The report of `build_report` as Markdown: the answer, the tables, where figures come from, their limits."""
    parts = [f"# {report['dataset']['name']}: trained on real and on synthetic images, tested on real ones"]
    parts += [f"**{sentence}**" for sentence in alarm(report)]
    parts += answer(report) + curves_answer(report)
    parts += [basis(report), "## Arms", _table(arms_table(report)), _table(more_figures_table(report))]
    comparisons = comparisons_table(report)
    if comparisons:
        parts += ["## Comparisons", _table(comparisons)]
    parts += _optional("### Ratio", ratio_table(report)) + _optional("## Learning curves", curves_table(report))
    parts += ["## Classes", _table(per_class_table(report))]
    fidelity, of_classes = fidelity_table(report), fidelity_classes_table(report)
    if fidelity and of_classes:
        parts += ["## Fidelity", *fidelity_text(report), _table(fidelity), _table(of_classes)]
    parts += _optional("## Canaries", canaries_table(report))
    sources = sources_table(report)
    parts += ["## Where each number comes from", "\n".join(f"- {what}: {where}" for what, where in sources.rows)]
    parts += ["## Limits", "\n".join(f"- {limit}" for limit in limits(report))]
    return "\n\n".join(parts) + "\n"


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
    return "\n".join([lines[0], rule, *lines[1:], "", table.caption])


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
