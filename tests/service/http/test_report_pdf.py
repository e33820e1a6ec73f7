"""A report as a PDF."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.service.service_samples import Service


def test_a_report_as_a_pdf(service: Service, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a program in the place of Chromium, which prints what it was given."""
    run = service.place(whole_run)
    program = tmp_path / "chromium"
    program.write_text(
        "#!/bin/sh\n"
        "for a; do case $a in --print-to-pdf=*) out=${a#*=};; file:*) page=${a#file://};; esac; done\n"
        "cp $page $out\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    printed = service.call("GET", f"/v1/reports/{run}?format=pdf", "viewer")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.text == service.call("GET", f"/v1/reports/{run}?format=html", "viewer").text
    monkeypatch.setenv("PATH", "/none")
    refused = service.call("GET", f"/v1/reports/{run}?format=pdf", "viewer")
    assert (refused.status_code, "open the report alone and print it" in refused.json()["detail"]) == (501, True)
