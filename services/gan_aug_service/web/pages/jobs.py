"""Jobs: listed, followed while they run, cancelled and resumed."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import JSONResponse, Response

from gan_aug.config import yaml_text
from gan_aug.run import layout
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Job, JobState, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.schemas import JobWithConfig
from gan_aug_service.queue.job_process import LOG
from gan_aug_service.queue.waiting import queue_pause
from gan_aug_service.records import jobs
from gan_aug_service.records.ownership import may_end, notices_about
from gan_aug_service.records.remaining import read_events
from gan_aug_service.routes.checks import remaining_of
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.jobs import list_job_page, log_text, with_place
from gan_aug_service.web.kit import progress
from gan_aug_service.web.kit.etag import PNG
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentEditor, CurrentViewer, EditorForm, PageUser
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/jobs")
def job_list(
    user: CurrentViewer,
    components: ComponentsDep,
    wanted: WantedDep,
    state: JobState | None = None,
    after: After = None,
) -> Response:
    """All jobs, or those that are wanted, a page at a time."""
    page = list_job_page(user.principal, components, state=state, after=after, wanted=wanted)
    filters = filters_of(components, user, "/jobs", wanted, timed=True, state=state or "")
    states = list(JobState)
    return render("jobs/list.html", user, page=page, state=state, states=states, first=after is None, filters=filters)


@router.get("/jobs/{id}")
def job_page(id: Id, user: CurrentViewer, components: ComponentsDep) -> Response:
    """One job: its progress, losses, samples and log, and what it has made."""
    with components.database.reading() as session:
        job = jobs.find_job(session, user.principal, id)
        paused = queue_pause(session) is not None
        run, removed = session.get_one(Run, job.run_id), jobs.run_removed(components, session, job.run_id)
        told = notices_about(session, id, *([job.run_id] if removed else []))
    folder = components.settings.runs.resolve() / job.run_id
    events = read_events(folder / layout.EVENTS, job.events_from, job.events_to)
    shown = with_place(JobWithConfig.of(job), components)
    return render(
        "jobs/job.html",
        user,
        job=shown,
        run=RunOut.of(run),
        removed=removed,
        told=told,
        mine=may_end(user.principal, job.key_id),
        live=not shown.state.ended,
        stages=progress.stages(events),
        lines=progress.log_lines(events),
        curves=progress.curves(events),
        sample=progress.newest_grid(folder),
        loss=(folder / layout.TRAIN / layout.LOSS_CURVES).exists(),
        config=yaml_text(shown.config),
        queue_paused=paused,
        left=remaining_of(components, job) if job.state == JobState.RUNNING or job.estimate else None,
        log=(components.settings.processes / job.id / LOG).exists(),
        message=components.settings.hide_paths(shown.problem.detail) if shown.problem else None,
    )


@router.get("/jobs/{id}/log")
def log(id: Id, user: CurrentEditor, components: ComponentsDep) -> Response:
    """What the job's process wrote, without what may name a patient."""
    return render("jobs/log.html", user, id=id, text=log_text(components, user.principal, id))


@router.get("/jobs/{id}/samples")
def sample_names(id: Id, user: CurrentViewer, components: ComponentsDep) -> JSONResponse:
    """The names of a job's sample grids, for the page's script."""
    job = _find_job(components, user, id)
    return JSONResponse(progress.images(components.settings.runs / job.run_id))


@router.get("/jobs/{id}/images/{name}")
def image(id: Id, name: str, user: CurrentViewer, components: ComponentsDep) -> Response:
    """A sample grid or the loss curves of a job's run; they are synthetic, and show no patient."""
    job = _find_job(components, user, id)
    path = components.settings.runs / job.run_id / layout.TRAIN / name
    if not progress.IMAGE.fullmatch(name) or not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, f"job {id} has no picture {name[:80]!r}: load its page again")
    return Response(progress.picture(path), media_type=PNG)


@router.post("/jobs/{id}/cancel")
def cancel(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Cancel a job at its next safe point."""
    jobs.cancel(components, form.user.principal, id)
    return redirect(f"/jobs/{id}")


@router.post("/jobs/{id}/resume")
def resume(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Queue an ended job again."""
    jobs.resume(components, form.user.principal, id)
    return redirect(f"/jobs/{id}")


def _find_job(components: Components, user: PageUser, job_id: str) -> Job:
    with components.database.reading() as session:
        return jobs.find_job(session, user.principal, job_id)
