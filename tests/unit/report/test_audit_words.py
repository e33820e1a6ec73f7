"""What the report says of the privacy audit, and that it says if there was none."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gan_aug.privacy.record import summary, to_text
from gan_aug.report.audit import audit_blocks, audit_line
from gan_aug.report.blocks import Paragraphs, Table
from tests.support.audit_record import RECORD


def report_of(*records: dict[str, Any]) -> dict[str, Any]:
    sets = [{"gan": gan, **summary(record)} for gan, record in enumerate(records)]
    return {"provenance": {"synthetic": "s"}, "privacy": {"sets": sets} if sets else None}


def test_the_first_lines_say_whether_the_set_was_audited() -> None:
    line = audit_line(report_of())
    assert line
    assert "had not been audited when this report was written" in line.texts[0]
    assert audit_line({"provenance": {"synthetic": None}, "privacy": None}) is None
    line = audit_line(report_of(RECORD))
    assert line
    assert line.texts == ("Privacy: audited. The set may be released. The model may be released.",)
    assert audit_blocks(report_of()) == []


def test_the_first_lines_say_which_of_several_gans_was_audited() -> None:
    line = audit_line({**report_of(RECORD), "gans": [{}, {}, {}]})
    assert line
    assert line.texts == (
        "Privacy: GAN 0: audited. The set may be released. The model may be released. The sets of the other GANs had "
        "not been audited when this report was written.",
    )
    both = audit_line({**report_of(RECORD, RECORD), "gans": [{}, {}]})
    assert both
    assert "other GANs" not in both.texts[0]


def test_a_refusal_says_why_in_every_place() -> None:
    refused = copy.deepcopy(RECORD)
    refused["set"] = {"allowed": False, "reasons": ["copies", "copy", "membership", "irreplaceable"]}
    refused["model"] = {"allowed": False, "reasons": ["copies", "membership", "confirmed"]}
    refused["copies"]["confirmed"] = [3, 5]
    for said in (to_text(refused), audit_line(report_of(refused)).texts[0]):  # type: ignore[union-attr]
        assert "The set is refused: 1 images are like copies" in said
        assert "AUC 0.512, at least 0.480" in said
        assert "2 copies of training images were confirmed" in said


def test_tables_have_a_row_for_each_set_and_class() -> None:
    text, sets, classes = audit_blocks(report_of(RECORD, RECORD))
    assert isinstance(text, Paragraphs)
    assert "The 9 other images" in text.texts[0]
    assert "evidence, not proof" in text.texts[-1]
    assert isinstance(sets, Table)
    assert [row[0] for row in sets.rows] == ["GAN 0", "GAN 1"]
    assert sets.rows[0][5] == "1 (up to 12)"
    assert isinstance(classes, Table)
    assert [row[0] for row in classes.rows] == ["ill", "By chance"]
    assert all(len(row) == len(table.head) for table in (sets, classes) for row in table.rows)


@pytest.mark.parametrize(
    ("because", "said"), [("few", "Below 200"), ("members_only", "biased"), ("same_kind", "of ano")]
)
def test_what_cannot_be_judged_is_said(because: str, said: str) -> None:
    unjudged = copy.deepcopy(RECORD)
    unjudged["membership"] |= {"judged": False, "because": because}
    assert said in to_text(unjudged)
    unjudged["membership"] |= {"auc": None, "because": "few"}
    assert "too few held-out images" in to_text(unjudged)
