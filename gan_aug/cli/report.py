"""The command `report`, and what a finished verb prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251 - the door

from gan_aug import api
from gan_aug.cli.progress import shown_progress
from gan_aug.run import layout


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a run folder", show_default=False)],
    pdf: Annotated[bool, typer.Option("--pdf", help="write report.pdf too, by Chromium or WeasyPrint")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Write the report of a finished comparison again, training nothing; with --pdf as a PDF too."""
    run = api.open(folder)
    with shown_progress() as listener:
        run.write_report(pdf=pdf, progress=listener)
    said = result_of("compare", folder, as_json)
    if pdf and not as_json:
        said = f"{said}\nPDF: {folder / layout.REPORT_PDF}"
    text = json.dumps(said, ensure_ascii=False, indent=2) if as_json else said
    print(text)  # noqa: T201 - this is the terminal


def result_of(verb: str, folder: Path, as_json: bool) -> Any:
    """What a finished verb prints: the report if it made one."""
    if verb in ("run", "compare"):
        from gan_aug.report.pages.terminal import to_terminal

        found = json.loads((folder / layout.REPORT).read_text(encoding="utf-8"))
        return found if as_json else f"{to_terminal(found)}\n\nReport: {folder / layout.REPORT_PAGE}"
    return {"run": str(folder), "verb": verb} if as_json else f"{verb} is done in {folder}"
