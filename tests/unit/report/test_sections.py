"""The one list of sections: both forms of the report follow it, and a new row in it is shown by both."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

import gan_aug.report
from gan_aug.evaluation.outcome.files import figure_names
from gan_aug.report import sections
from gan_aug.report.blocks import (
    Alarm,
    Answer,
    Block,
    Code,
    Facts,
    Figure,
    Gallery,
    Items,
    Paragraphs,
    Strip,
    Table,
    Verdict,
)
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.plots.all import described_figures, draw_figures
from gan_aug.report.sections import SECTIONS, Medium, Section
from tests.support.evaluation_samples import (
    make_cells,
    make_examples,
    make_fidelity,
    make_manifest,
    make_report,
    make_synthetic,
)

MANIFEST = make_manifest()
CELLS = make_cells(MANIFEST, seeds=2)
REPORT = make_report(MANIFEST, CELLS, make_synthetic(MANIFEST), make_fidelity(MANIFEST))
ABSENT = {"internal-test", "learning-curves", "canaries", "privacy"}
"""What this report has nothing of."""

TABLE = Table("What it says.", ("Name", "Words", "Number"), (("first", "one | two", "1.5"),), text_columns=(0, 1))
EVERY_KIND: tuple[Block, ...] = (
    Alarm(("Look here.",)),
    Verdict("no worse", "It is so.", "By this much.", ("Few images.",)),
    Answer(("Found.", "Also found."), "Of 3 seeds."),
    Paragraphs(("One\nparagraph.", "Another.")),
    Items(("a", "b")),
    Items(("c", "d"), numbered=True),
    TABLE,
    Facts(Table("Not in the text.", ("What", "Where"), (("Seeds", "0, 1"),), text_columns=(0, 1))),
    Figure("new", "A figure", "What it shows.", "How to read it.", is_wide=True, svg='<svg id="new-1"></svg>'),
    Gallery("Chosen.", ("Real",), (("a", (Strip(np.zeros((1, 1, 32, 32), dtype=np.uint8), "1 image"),)),)),
    Code("All of it", "a: <b>\nc: d\n"),
)


def page(real: bool = True) -> str:
    examples = make_examples(MANIFEST) if real else {}
    return to_html(REPORT, draw_figures(REPORT, CELLS, MANIFEST), examples, examples)


def test_page_and_text_have_the_sections_of_the_list_in_its_order() -> None:
    for medium, found in (
        (Medium.PAGE, re.findall(r"<h2>(.*)</h2>", page())),
        (Medium.TEXT, re.findall(r"^## (.*)$", to_markdown(REPORT), re.MULTILINE)),
    ):
        assert found == [
            section.heading
            for section in SECTIONS
            if medium in section.media and section.heading and section.id not in ABSENT
        ]
    assert re.findall(r'<section id="(.*)">', page()) == [
        section.id for section in SECTIONS if Medium.PAGE in section.media and section.id not in ABSENT
    ]


def test_sections_can_be_told_apart() -> None:
    assert len({section.id for section in SECTIONS}) == len(SECTIONS)
    headings = [section.heading for section in SECTIONS if section.heading]
    assert len(set(headings)) == len(headings)


def test_a_section_without_blocks_is_left_out() -> None:
    assert "<h2>Example images</h2>" in page()
    assert "<h2>Example images</h2>" not in page(real=False)
    undrawn = to_html(REPORT, {}, {}, {})
    assert "<h2>ROC curves</h2>" not in undrawn
    assert "<h2>Comparisons</h2>" in undrawn


def test_a_new_row_is_shown_by_both_forms_whatever_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {type(block) for block in EVERY_KIND} == set(get_args(Block))
    row = Section("new", "Something new", lambda _: [None, *EVERY_KIND])
    monkeypatch.setattr(sections, "SECTIONS", (row,))
    text = to_markdown(REPORT).partition("## Something new\n\n")[2]
    assert text == (
        "**Look here.**\n\n> **No worse.** It is so.\n\nBy this much.\n\nWhat limits it:\n\n- Few images.\n\n"
        "Found.\n\nAlso found.\n\nOf 3 seeds.\n\nOne paragraph.\n\nAnother.\n\n- a\n- b\n\n"
        "1. c\n2. d\n\n| Name  | Words      | Number |\n|-------|------------|--------|\n"
        "| first | one \\| two | 1.5    |\n\nWhat it says.\n\n- Seeds: 0, 1\n\n"
        "[A figure](figures/new.svg): What it shows.\n\nAll of it\n\n    a: <b>\n    c: d\n"
    )
    shown = page().partition("<h2>Something new</h2>")[2]
    for part in (
        '<p class="alarm" role="alert">Look here.</p>',
        '<p class="quiet">Of 3 seeds.</p>',
        '<p class="word">No worse</p>\n<p class="sentence">It is so.</p>\n<p>By this much.</p>',
        "<li>Few images.</li>",
        "<li>b</li>\n</ul>\n<ol>\n<li>c</li>",
        '<th scope="col">Words</th><th scope="col" class="number">Number</th>',
        '<th scope="row">first</th><td>one | two</td><td class="number">1.5</td>',
        "<caption>Not in the text.</caption>",
        '<div class="plot wide" role="img" aria-label="What it shows."><svg id="new-1"></svg>',
        "<figcaption>What it shows. How to read it.</figcaption>",
        'width="64" height="64" alt="1 image, 1"',
        "<summary>All of it</summary>\n<pre>a: &lt;b&gt;\nc: d\n</pre>",
    ):
        assert re.sub(r"\s+", "", part) in re.sub(r"\s+", "", shown)


def test_figures_are_told_in_words_without_being_drawn() -> None:
    figures = described_figures(REPORT)
    assert [figure.name for figure in figures] == figure_names(REPORT)
    assert {figure.svg for figure in figures} == {""}
    drawn = draw_figures(REPORT, CELLS, MANIFEST)
    assert [(figure.title, figure.text, figure.reading) for figure in drawn.values()] == [
        (figure.title, figure.text, figure.reading) for figure in figures
    ]


def test_the_package_hands_on_both_forms_and_loads_them_when_they_are_asked_for() -> None:
    assert gan_aug.report.to_html is to_html
    assert gan_aug.report.to_markdown is to_markdown
    with pytest.raises(AttributeError, match="no attribute 'to_pdf'"):
        gan_aug.report.to_pdf  # noqa: B018
    code = "import sys, gan_aug.report; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
