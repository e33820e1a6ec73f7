"""The report as a PDF, printed by a browser or by WeasyPrint if the machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from gan_aug.errors import ComputeError, ConfigError
from gan_aug.run import layout
from gan_aug.run.files import write_bytes

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
WEASYPRINT = "weasyprint"
SECONDS = 180

# The page asks for nothing from anywhere; the browser should not either.
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-pdf-header-footer",
)


def find_printer() -> str:
    """The path of a program that prints a page to PDF; raises ConfigError if there is none."""
    for name in (*BROWSERS, WEASYPRINT):
        if found := shutil.which(name):
            return found
    raise ConfigError(
        f"--pdf: none of {', '.join(BROWSERS)} or {WEASYPRINT} is on the PATH: install one, or print report.html to "
        "PDF from a browser"
    )


def write_pdf(page: Path, pdf: Path) -> None:
    """Print the HTML file `page` to `pdf`, whole or not at all.

    Raises ConfigError if no program for it is found, ComputeError if that program fails.
    """
    printer = find_printer()
    with TemporaryDirectory() as folder:
        printed = Path(folder, layout.REPORT_PDF)
        command = _command(printer, page.resolve(), printed, Path(folder, "profile"))
        try:
            ended = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - no shell
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ComputeError(f"{printer} did not print {page} ({error}): print it from a browser") from error
        if ended.returncode or not printed.exists():
            said = ended.stderr.decode(errors="replace").strip().splitlines()
            why = f": {said[-1][:200]}" if said else ""
            raise ComputeError(
                f"{printer} could not print {page} (exit code {ended.returncode}){why}; print it from a browser"
            )
        write_bytes(pdf, printed.read_bytes())


def _command(printer: str, page: Path, pdf: Path, profile: Path) -> list[str]:
    if Path(printer).name == WEASYPRINT:
        return [printer, str(page), str(pdf)]
    # Chromium refuses to sandbox for root; the page is our own and runs no script.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [printer, *_QUIET, *sandbox, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}", page.as_uri()]
