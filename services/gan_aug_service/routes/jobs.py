"""Jobs: verbs, queued, followed, cancelled and resumed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Header, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import InstrumentedAttribute
from starlette.concurrency import run_in_threadpool

from gan_aug.run import layout
from gan_aug_service.access.authentication import Editor, Principal, Viewer, still_authenticated
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ID_PATTERN, Job, JobState, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.described import MOST_TAGS, AboutIn, Tag, Title
from gan_aug_service.openapi.descriptions import config_request_body, file_responses, problem_responses
from gan_aug_service.openapi.schemas import JobOut, JobWithConfig, Page
from gan_aug_service.products.job_log import readable_log
from gan_aug_service.queue.event_stream import JobView, stream_events
from gan_aug_service.queue.job_process import LOG
from gan_aug_service.records import jobs
from gan_aug_service.records.catalogue.lists import EVERYTHING, Wanted, filtered, order_of
from gan_aug_service.routes.common import (
    After,
    ComponentsDep,
    ConfigBody,
    Id,
    IdempotencyKey,
    Limit,
    WantedDep,
    json_response,
    paginate,
    versioned_router,
)
from gan_aug_service.routes.projects.acting import EditorIn

router = versioned_router("jobs")


class Verb(StrEnum):
    """The verbs; gan_aug.stages names them too, but would load PyTorch into the service."""

    RUN = "run"
    IMPORT = "import"
    TRAIN = "train"
    GENERATE = "generate"
    AUDIT = "audit"
    COMPARE = "compare"


LISTED: tuple[InstrumentedAttribute[Any], ...] = (
    Job.id, Job.run_id, Job.project, Job.owner, Job.verb, Job.state, Job.created, Job.started, Job.ended, Job.seconds,
    Job.attempt, Job.cancel, Job.error, Job.message, Job.paused, Job.short, Run.title, Run.source, Run.tags,
    Run.data_name, Run.verdict,
)  # fmt: skip
"""The columns that a list shows: requests and configs are long, and not read."""

RunQuery = Annotated[str | None, Query(pattern=ID_PATTERN, description="go on in this run")]


TitleQuery = Annotated[Title | None, Query(description="what the new run is called; without it, as its data")]
TagQuery = Annotated[Sequence[Tag], Field(max_length=MOST_TAGS), Query(description="tags of the new run")]


@router.post(
    "/jobs/{verb}",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(400, 404, 409, 413, 415, 507),
    openapi_extra=config_request_body(),
)
def submit(
    verb: Verb,
    config: ConfigBody,
    principal: EditorIn,
    components: ComponentsDep,
    response: Response,
    run: RunQuery = None,
    title: TitleQuery = None,
    tag: TagQuery = (),
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Queue a verb; the body is its config. The same Idempotency-Key with the same request gives the same job."""
    about = AboutIn(title=title, tags=list(tag) or None)
    job, repeated = jobs.submit(components, principal, verb.value, config, run, idempotency_key, about)
    return accepted_job(response, job, repeated)


def accepted_job(response: Response, job: Job, repeated: bool) -> JobOut:
    """The answer for a job that was submitted.

    Args:
        response: Gets the headers of the answer.
        job: The job.
        repeated: Whether an earlier request made it.

    Returns:
        The job.
    """
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return JobOut.of(job)


@router.get("/jobs", response_model=Page[JobOut])
def list_jobs(
    principal: Viewer,
    components: ComponentsDep,
    wanted: WantedDep,
    state: JobState | None = None,
    run: RunQuery = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Jobs of the key's project, newest first unless `sort` says otherwise."""
    return json_response(list_job_page(principal, components, state, run, limit, after, wanted))


def listed_jobs() -> Select[Any]:
    """A query of what lists show of jobs and their runs."""
    return select(*LISTED).join(Run, Job.run_id == Run.id)


def list_job_page(
    principal: Principal,
    components: Components,
    state: JobState | None = None,
    run: str | None = None,
    limit: int = 50,
    after: str | None = None,
    wanted: Wanted = EVERYTHING,
) -> Page[JobOut]:
    """One page of the jobs that a principal can see.

    Args:
        principal: Who asks.
        components: The service's components.
        state: Jobs in this state alone.
        run: Jobs of this run alone.
        limit: How many jobs to give at most.
        after: The id after which the page begins.
        wanted: What else is wanted of them, and their order.

    Returns:
        The page.
    """
    query = filtered(principal.visible(listed_jobs(), Job), wanted, Job)
    if state:
        query = query.where(Job.state == state)
    if run:
        query = query.where(Job.run_id == run)
    with components.database.reading() as session:
        page = paginate(session, query, Job, limit, after, _shown, order_of(wanted, Job))
    return Page(items=[with_place(job, components) for job in page.items], next=page.next)


AnyJob = TypeVar("AnyJob", bound=JobOut)


def with_place(job: AnyJob, components: Components) -> AnyJob:
    """A job with its place in the queue, if it waits for its turn.

    Args:
        job: The job.
        components: The service's components.

    Returns:
        The job.
    """
    if job.state is not JobState.QUEUED or job.paused:
        return job
    return job.model_copy(update={"place": components.supervisor.places().get(job.id)})


@lru_cache(maxsize=4096)
def _shown(row: Row[Any]) -> JobOut:
    """A row of a list. It is cached, since of fifty jobs one or two have changed since the last list."""
    return JobOut.of(row)


@router.get("/jobs/{id}", response_model=JobWithConfig, responses=problem_responses(404))
def get_job(id: Id, principal: Viewer, components: ComponentsDep) -> Response:
    """One job, with its config."""
    with components.database.reading() as session:
        found = JobWithConfig.of(jobs.find_job(session, principal, id))
    return json_response(with_place(found, components))


@router.get(
    "/jobs/{id}/log", response_class=PlainTextResponse, responses=problem_responses(404) | file_responses("text/plain")
)
def get_log(id: Id, principal: Editor, components: ComponentsDep) -> PlainTextResponse:
    """What the job's process wrote, and where an error was raised; what may name a patient is left out."""
    return PlainTextResponse(log_text(components, principal, id), headers={"Cache-Control": "no-store"})


def log_text(components: Components, principal: Principal, job_id: str) -> str:
    """A job's log as it may be read.

    Args:
        components: The service's components.
        principal: Who asks.
        job_id: The job.

    Returns:
        Its lines, without the service's own paths.

    Raises:
        Problem: The principal cannot see the job, or there is no log.
    """
    _find_job(components, principal, job_id)
    text = readable_log(components.settings.processes / job_id / LOG)
    if text is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"job {job_id} has no log: it has not started yet, or its run was removed")
    return components.settings.hide_paths(text)


@router.delete("/jobs/{id}", status_code=HTTPStatus.ACCEPTED, responses=problem_responses(404))
def cancel(id: Id, principal: Editor, components: ComponentsDep) -> JobOut:
    """Cancel a job at its next safe point; what it has made stays, and it can be resumed."""
    return JobOut.of(jobs.cancel(components, principal, id))


@router.post("/jobs/{id}/resume", status_code=HTTPStatus.ACCEPTED, responses=problem_responses(404, 409))
def resume(id: Id, principal: Editor, components: ComponentsDep) -> JobOut:
    """Queue an ended job again; it goes on from what is complete in its run."""
    return JobOut.of(jobs.resume(components, principal, id))


@router.get(
    "/jobs/{id}/events",
    response_class=StreamingResponse,
    responses=problem_responses(404) | file_responses("text/event-stream"),
)
async def events(
    id: Id,
    request: Request,
    principal: Viewer,
    components: ComponentsDep,
    wait: Annotated[bool, Query(description="wait for new events until the job has ended")] = True,
    last_event_id: Annotated[str | None, Header(description="the id of the last event that was received")] = None,
) -> StreamingResponse:
    """The job's events as server-sent events. A later request goes on after the id in Last-Event-ID."""
    job = await run_in_threadpool(_find_job, components, principal, id)
    path = components.settings.runs.resolve() / job.run_id / layout.EVENTS
    last_id = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19 else None
    streams = components.streams.setdefault(principal.key_id, set())
    if len(streams) >= components.settings.limits.streams:
        detail = f"this key has {len(streams)} event streams open: close some"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "5"})

    def look() -> JobView | None:
        return _view(_find_job(components, principal, id)) if still_authenticated(request) else None

    stream = stream_events(path, look, last_id, components.closing.is_set, wait=wait)

    async def counted() -> AsyncIterator[bytes]:
        mark = object()
        streams.add(mark)
        try:
            async for part in stream:
                yield part
        finally:
            streams.discard(mark)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(counted(), media_type="text/event-stream", headers=headers)


def _find_job(components: Components, principal: Principal, job_id: str) -> Job:
    with components.database.reading() as session:
        return jobs.find_job(session, principal, job_id)


def _view(job: Job) -> JobView:
    return JobView(JobState(job.state), job.events_from, job.events_to)
