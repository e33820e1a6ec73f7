"""Reports: a list with the answer of each, and one whole report in a sandboxed frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi.responses import Response

from gan_aug.errors import DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.products.files import modified_ns
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.reports import PAGE_POLICY, get_report, list_reports
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import POLICY, render
from gan_aug_service.web.kit.run_rows import PAGE_SIZE, find_run, run_rows

router = page_router()
FRAMING = f"{POLICY}; frame-src 'self'"
"""The policy of the page around a report."""

FRAMED = {"Content-Security-Policy": f"{PAGE_POLICY}; frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}
"""The headers of the report in the frame: its own styles and pictures, no scripts, and only within this service."""


@dataclass(frozen=True)
class Answer:
    """What a report says first: its data set, alarms that must not be overlooked, and the answer."""

    name: str
    alarm: list[str]
    sentences: list[str]


@router.get("/reports")
def reports(user: CurrentViewer, components: ComponentsDep, wanted: WantedDep, after: After = None) -> Response:
    """The reports of the user's project, each with its first sentence."""
    listed = list_reports(user.principal, components, wanted, limit=PAGE_SIZE, after=after)
    filters = filters_of(components, user, "/reports", wanted)
    shown = run_rows(components, listed.items, answer_of)
    return render("products/reports.html", user, rows=shown, next=listed.next, filters=filters)


@router.get("/reports/{id}")
def report(id: Id, user: CurrentViewer, components: ComponentsDep) -> Response:
    """One report in a frame, with links to its other formats."""
    run = find_run(user, components, id, "report")
    answer = answer_of(components.settings.runs / run.id)
    return render("products/report.html", user, headers={"Content-Security-Policy": FRAMING}, run=run, report=answer)


@router.get("/reports/{id}/page")
def whole(id: Id, user: CurrentViewer, components: ComponentsDep) -> Response:
    """The report as it is in the run folder: for the frame, to print and to save."""
    page = get_report(id, user.principal, components, "html")
    page.headers.update(FRAMED)
    return page


def answer_of(run: Path) -> Answer:
    """What the report of a run folder says first."""
    return _answer(run / layout.REPORT, modified_ns(run, layout.REPORT))


@lru_cache(maxsize=64)
def _answer(path: Path, written: int) -> Answer:
    from gan_aug.report.words.checks import alarm
    from gan_aug.report.words.verdict import answer

    del written  # it makes a report that was written again another entry of the cache
    content = read_json(path)
    try:
        return Answer(content["dataset"]["name"], alarm(content), answer(content))
    except (KeyError, TypeError) as error:
        raise DataError("the report is of another version: resume its job, and it is written again") from error
