"""What a finished run prints: the verdict, what limits it, and the arms. The rest stands in the report."""

from __future__ import annotations

from textwrap import fill

from gan_aug.report.audit import audit_line
from gan_aug.report.pages.markdown import drawn_table
from gan_aug.report.sections import title
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.checks import alarm
from gan_aug.report.words.headline import opening
from gan_aug.report.words.tables import arms_table
from gan_aug.report.words.text import Report
from gan_aug.report.words.verdict import answer

WIDTH = 100


def to_terminal(report: Report) -> str:
    """The report of `build_report` in a few lines."""
    first = opening(report)
    lines = [title(report), *(f"!! {text}" for text in alarm(report))]
    if first is None:
        lines.append(answer(report)[0])
    else:
        lines += [f"{first.word.upper()}: {first.sentence}", first.numbers]
    if privacy := audit_line(report):
        lines += privacy.texts
    paragraphs = [fill(line, WIDTH) for line in lines]
    limiting = first.limits if first else tuple(caveat.text for caveat in caveats(report))
    if limiting:
        limits = [fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ") for text in limiting]
        paragraphs.append("\n".join(["What limits it:", *limits]))
    return "\n\n".join([*paragraphs, drawn_table(arms_table(report))])
