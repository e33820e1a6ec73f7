"""Jobs: listed, followed while they work, stopped and resumed."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import JSONResponse, Response

from gan_aug.config import yaml_text
from gan_aug.run import layout
from gan_aug_service.database.tables import Job, JobState, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.parts import Parts
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.jobs import listed
from gan_aug_service.schemas import JobWithConfig
from gan_aug_service.web.kit import progress
from gan_aug_service.web.kit.etag import PNG
from gan_aug_service.web.kit.page_route import go
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import EditorForm, Reader, Visitor

router = new_router()


@router.get("/jobs")
def job_list(visitor: Reader, parts: Service, state: JobState | None = None, after: After = None) -> Response:
    """All jobs, newest first, a page at a time."""
    page = listed(visitor.caller, parts, state=state, after=after)
    return render("jobs.html", visitor, page=page, state=state, states=list(JobState), first=after is None)


@router.get("/jobs/{id}")
def job_page(id: Id, visitor: Reader, parts: Service) -> Response:  # noqa: A002 - the path's word
    """One job: how far it is, its losses, samples and log, and what it has made."""
    with parts.database.reading() as session:
        job = jobs.find(session, visitor.caller, id)
        run, removed = session.get_one(Run, job.run_id), jobs.removed(parts, session, job.run_id)
    folder = parts.settings.runs.resolve() / job.run_id
    events = progress.read_events(folder / layout.EVENTS, job.events_from, job.events_to)
    shown = JobWithConfig.of(job)
    return render(
        "job.html",
        visitor,
        job=shown,
        run=run,
        removed=removed,
        live=not shown.state.ended,
        stages=progress.stages(events),
        lines=progress.log_lines(events),
        curves=progress.curves(events),
        sample=progress.newest_grid(folder),
        loss=(folder / layout.TRAIN / layout.LOSS_CURVES).exists(),
        config=yaml_text(shown.config),
        message=parts.settings.without_places(shown.problem.detail) if shown.problem else None,
    )


@router.get("/jobs/{id}/samples")
def sample_names(id: Id, visitor: Reader, parts: Service) -> JSONResponse:  # noqa: A002
    """The names of a job's sample grids, for the page's script."""
    job = _found(parts, visitor, id)
    return JSONResponse(progress.images(parts.settings.runs / job.run_id))


@router.get("/jobs/{id}/images/{name}")
def image(id: Id, name: str, visitor: Reader, parts: Service) -> Response:  # noqa: A002
    """A sample grid or the loss curves of a job's run: made by the generator, so no image of a patient."""
    job = _found(parts, visitor, id)
    path = parts.settings.runs / job.run_id / layout.TRAIN / name
    if not progress.IMAGE.fullmatch(name) or not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, f"job {id} has no picture {name[:80]!r}: load its page anew")
    return Response(path.read_bytes(), media_type=PNG)


@router.post("/jobs/{id}/cancel")
def cancel(id: Id, form: EditorForm, parts: Service) -> Response:  # noqa: A002
    """Ask a job to stop at its next safe point."""
    jobs.cancel(parts, form.visitor.caller, id)
    return go(f"/jobs/{id}")


@router.post("/jobs/{id}/resume")
def resume(id: Id, form: EditorForm, parts: Service) -> Response:  # noqa: A002
    """Queue an ended job once more."""
    jobs.resume(parts, form.visitor.caller, id)
    return go(f"/jobs/{id}")


def _found(parts: Parts, visitor: Visitor, job_id: str) -> Job:
    with parts.database.reading() as session:
        return jobs.find(session, visitor.caller, job_id)
