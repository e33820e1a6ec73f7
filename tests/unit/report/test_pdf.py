"""The PDF is printed by what the machine has, and one sentence says where it has nothing or that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_aug.errors import ComputeError, ConfigError
from gan_aug.report.pages.pdf import find_printer, write_pdf


def printer(folder: Path, script: str) -> None:
    """A program called weasyprint, alone on the PATH but for the shell's own."""
    program = folder / "weasyprint"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    (tmp_path / "report.html").write_text("<p>all of it</p>")
    return folder


def test_without_a_printer_one_sentence_says_what_to_install(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--pdf: none of chromium, .* is on the PATH: install one, or print"):
        find_printer()


def test_the_page_is_printed_whole_or_not_at_all(path: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    printer(path, 'echo half > "$2"; echo "no fonts" >&2; exit 3')
    with pytest.raises(ComputeError, match=r"exit code 3\): no fonts; print it from a browser"):
        write_pdf(tmp_path / "report.html", pdf)
    assert not pdf.exists()
    printer(path, '/bin/cp "$1" "$2"')
    write_pdf(tmp_path / "report.html", pdf)
    assert pdf.read_text() == "<p>all of it</p>"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bin", "report.html", "report.pdf"]
