"""A report as a PDF, printed by the browser or the WeasyPrint of the service's machine."""

from __future__ import annotations

import threading
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from gan_aug.errors import ConfigError
from gan_aug.run import layout
from gan_aug_service.http.problems import Problem

_PRINTING = threading.Lock()
"""Held while a report is printed: a browser takes some hundred megabytes."""


def print_report(page: str, folder: Path) -> bytes:
    """Print the HTML of a report; takes some seconds, and nothing of it stays.

    Args:
        page: The HTML.
        folder: The service's folder in which it may write.

    Returns:
        The PDF.

    Raises:
        Problem: The machine has no program for it.
        ComputeError: The program failed.
    """
    from gan_aug.report.pages.pdf import write_pdf

    with _PRINTING, TemporaryDirectory(dir=folder) as place:
        html, pdf = Path(place, layout.REPORT_PAGE), Path(place, layout.REPORT_PDF)
        html.write_text(page, encoding="utf-8")
        try:
            write_pdf(html, pdf)
        except ConfigError:
            raise Problem(
                HTTPStatus.NOT_IMPLEMENTED,
                "this service has no program that makes a PDF: open the report alone and print it to a PDF, or ask an "
                "administrator to install Chromium or WeasyPrint",
            ) from None
        return pdf.read_bytes()
