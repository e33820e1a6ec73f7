"""Reports: the comparison's figures as a page, as JSON, as Markdown and as a table."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.access.caller import Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries as products
from gan_aug_service.products.files import still_there
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, Id, Limit, Service, faults, gives, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import Page, RunOut
from gan_aug_service.settings import Settings

router = new_router("reports")
PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A report is one file without scripts: it may show its own styles and pictures, and do nothing."""

KINDS = ("application/json", "text/html", "text/markdown", "text/csv")
Format = Annotated[Literal["json", "html", "md", "csv"], Query(description="how to give the report")]


@router.get("/reports")
def list_reports(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold a report, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Run).where(Run.report), Run), Run, limit, after, RunOut.of)


@router.get("/reports/{id}", response_class=Response, responses=faults(404) | gives(*KINDS))
def get_report(id: Id, caller: Viewer, parts: Service, format: Format = "json") -> Response:  # noqa: A002
    """The report of a run; who reads it is written down, since it may show training images."""
    with parts.database.writing() as session:
        run = jobs.find_run(session, caller, id, "report", "report")
        caller.audit(session, "report.read", run.id, format)
    return _report(parts.settings, run.id, format)


@router.get(
    "/jobs/{id}/report",
    response_class=Response,
    responses=faults(404) | gives(*KINDS),
)
def get_job_report(id: Id, caller: Viewer, parts: Service, format: Format = "json") -> Response:  # noqa: A002
    """The report in a job's run; who reads it is written down."""
    with parts.database.writing() as session:
        run_id = jobs.find(session, caller, id).run_id
        if not session.get_one(Run, run_id).report:
            raise Problem(HTTPStatus.NOT_FOUND, f"the run of job {id} holds no report yet: queue run or compare")
        caller.audit(session, "report.read", run_id, format)
    return _report(parts.settings, run_id, format)


def _report(settings: Settings, run_id: str, kind: str) -> Response:
    """A run's report, without where the service keeps things."""
    run = settings.runs / run_id
    if kind == "csv":
        with still_there(run):
            content = read_json(run / layout.REPORT)
        headers = {"Content-Disposition": f'attachment; filename="report-{run_id}.csv"'}
        return Response(products.report_csv(content), headers=headers, media_type="text/csv")
    with still_there(run):
        text = settings.without_places((run / f"report.{kind}").read_text(encoding="utf-8"))
    if kind == "html":
        return HTMLResponse(text, headers={"Content-Security-Policy": PAGE_POLICY})
    return Response(text, media_type="text/markdown" if kind == "md" else "application/json")
