"""Titles of runs: which are accepted, and how a report gets one, whenever it was written."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from gan_aug.config.titles import TITLE_LENGTH, checked_title, fitted_title
from gan_aug.errors import ConfigError
from gan_aug.report.pages.titled import titled_page, titled_text
from gan_aug.run.title import read_title, write_title

PAGE = "<html><head><title>set &amp; more</title></head><main>\n<h1>set &amp; more</h1>\n<h1>no</h1></main>"
TEXT = "# set \\<b>: trained\n\n> **Better.** More.\n\n## Arms\n"
SCRIPTS = ["Jürgens Röntgen", "肺炎のX線", "تصاویر سینه", "ภาพทรวงอก", "👩‍⚕️ chest", "</h1><script>", "a\\1b"]


@pytest.mark.parametrize("title", SCRIPTS)
def test_a_title_in_any_script_is_kept(title: str) -> None:
    assert checked_title(f"  {title} ") == unicodedata.normalize("NFC", title)
    assert fitted_title(title) == checked_title(title)


@pytest.mark.parametrize(
    "title", ["", "  ", "\u200b\u200d", "a\nb", "a\0b", "a\u202eb", "a\u2066b", "\ud800", "x" * 121]
)
def test_what_is_no_title_is_refused_and_a_file_name_is_fitted(title: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it "):
        checked_title(title)
    with pytest.raises(ConfigError, match="cannot be used, since it"):
        write_title(tmp_path, title)
    fitted = fitted_title(title, "a file")
    assert checked_title(fitted) == fitted
    assert len(fitted) <= TITLE_LENGTH


@pytest.mark.parametrize("title", SCRIPTS)
def test_a_report_is_titled_titled_again_and_as_it_was(title: str) -> None:
    for make, old in ((titled_page, PAGE), (titled_text, TEXT)):
        once = make(old, title)
        assert make(make(old, "another"), title) == once
        assert make(once, None) == old
        assert make(old, None) == old
        assert "<script>" not in once.replace("\\<script>", "")
    assert f"<h1>{'Jürgens Röntgen'}</h1>" in titled_page(PAGE, "Jürgens Röntgen")
    assert titled_text(TEXT, "x").startswith("# x\n\n*Subject:* set \\<b>: trained\n\n> **Better")


def test_a_run_has_the_title_that_was_written_last(tmp_path: Path) -> None:
    assert read_title(tmp_path) is None
    write_title(tmp_path, "first")
    write_title(tmp_path, "肺 second")
    assert read_title(tmp_path) == "肺 second"
    (tmp_path / "title.txt").write_bytes(b"\xff\n\n\x00 bad")
    assert read_title(tmp_path) == "\ufffd bad"
