"""Reports: the comparison's figures as HTML, PDF, JSON, Markdown and CSV."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import HTMLResponse

from gan_aug.report.pages.titled import titled_page, titled_text
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.products import summaries
from gan_aug_service.products.files import missing_as_not_found
from gan_aug_service.products.report_pdf import print_report
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, WantedDep, versioned_router
from gan_aug_service.routes.runs import run_page
from gan_aug_service.settings import Settings

router = versioned_router("reports")
PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The policy of a report: one HTML file with its own styles and pictures, and no scripts."""

KINDS = ("application/json", "text/html", "text/markdown", "text/csv", "application/pdf")
Format = Annotated[Literal["json", "html", "md", "csv", "pdf"], Query(description="the report's format")]


@router.get("/reports")
def list_reports(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs that hold a report, newest first unless `sort` says otherwise."""
    return run_page(principal, components, wanted, limit, after, "report")


@router.get("/reports/{id}", response_class=Response, responses=problem_responses(404, 501) | file_responses(*KINDS))
def get_report(id: Id, principal: Viewer, components: ComponentsDep, format: Format = "json") -> Response:
    """The report of a run. The audit records who reads it, since it may show training images."""
    with components.database.writing() as session:
        run = jobs.find_run(session, principal, id, "report", "report")
        principal.audit(session, "report.read", run.id, format)
    return _report(components.settings, run, format)


@router.get(
    "/jobs/{id}/report",
    response_class=Response,
    responses=problem_responses(404, 501) | file_responses(*KINDS),
)
def get_job_report(id: Id, principal: Viewer, components: ComponentsDep, format: Format = "json") -> Response:
    """The report of a job's run. The audit records who reads it."""
    with components.database.writing() as session:
        run = jobs.find_job(session, principal, id).run
        if not run.report:
            raise Problem(HTTPStatus.NOT_FOUND, f"the run of job {id} holds no report yet: queue run or compare")
        principal.audit(session, "report.read", run.id, format)
    return _report(components.settings, run, format)


def _report(settings: Settings, record: Run, kind: str) -> Response:
    """A run's report, under the run's title and without the service's own paths."""
    run = settings.runs / record.id
    if kind == "csv":
        with missing_as_not_found(run):
            content = read_json(run / layout.REPORT)
        headers = {"Content-Disposition": f'attachment; filename="report-{record.id}.csv"'}
        return Response(summaries.report_csv(content), headers=headers, media_type="text/csv")
    with missing_as_not_found(run):
        source = "html" if kind == "pdf" else kind
        text = settings.hide_paths((run / f"report.{source}").read_text(encoding="utf-8"))
    if kind == "pdf":
        headers = {"Content-Disposition": f'attachment; filename="report-{record.id}.pdf"'}
        printed = print_report(titled_page(text, record.title), settings.state)
        return Response(printed, headers=headers, media_type="application/pdf")
    if kind == "html":
        return HTMLResponse(titled_page(text, record.title), headers={"Content-Security-Policy": PAGE_POLICY})
    if kind == "md":
        return Response(titled_text(text, record.title), media_type="text/markdown")
    return Response(text, media_type="application/json")
