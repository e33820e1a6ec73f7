"""Reports: each with its answer in a list, and the whole of one in a frame that can do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi.responses import Response

from gan_aug.errors import DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.products.files import written
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.reports import PAGE_POLICY, get_report, list_reports
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import POLICY, render
from gan_aug_service.web.kit.run_rows import LISTED, found, rows
from gan_aug_service.web.kit.visitor import Reader

router = new_router()
FRAMING = f"{POLICY}; frame-src 'self'"
"""The policy of the page around a report."""

FRAMED = {"Content-Security-Policy": f"{PAGE_POLICY}; frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}
"""The headers of the report in there: its own styles and pictures, no script, and shown by our pages alone."""


@dataclass(frozen=True)
class Answer:
    """What a report says first: of which data set, what must not be overlooked, and what was found."""

    name: str
    alarm: list[str]
    sentences: list[str]


@router.get("/reports")
def reports(visitor: Reader, parts: Service, after: After = None) -> Response:
    """The reports of the visitor's project, each with its first sentence."""
    listed = list_reports(visitor.caller, parts, limit=LISTED, after=after)
    return render("reports.html", visitor, rows=rows(parts, listed.items, answer_of), next=listed.next)


@router.get("/reports/{id}")
def report(id: Id, visitor: Reader, parts: Service) -> Response:  # noqa: A002 - the path's word
    """One report, framed, with its other forms."""
    run = found(visitor, parts, id, "report")
    said = answer_of(parts.settings.runs / run.id)
    return render("report.html", visitor, headers={"Content-Security-Policy": FRAMING}, run=run, said=said)


@router.get("/reports/{id}/page")
def whole(id: Id, visitor: Reader, parts: Service) -> Response:  # noqa: A002
    """The report as it stands in the run folder: for the frame, to print and to keep."""
    page = get_report(id, visitor.caller, parts, "html")
    page.headers.update(FRAMED)
    return page


def answer_of(run: Path) -> Answer:
    """What the report of a run folder says first."""
    return _answer(run / layout.REPORT, written(run, layout.REPORT))


@lru_cache(maxsize=64)
def _answer(path: Path, written: int) -> Answer:
    from gan_aug.report.words.checks import alarm
    from gan_aug.report.words.verdict import answer

    del written  # a part of the key: a report written anew is read anew
    content = read_json(path)
    try:
        return Answer(content["dataset"]["name"], alarm(content), answer(content))
    except (KeyError, TypeError) as error:
        raise DataError("the report is of another version: resume its job, and it is written again") from error
