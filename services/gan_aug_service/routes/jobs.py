"""Jobs: a verb of the command line, queued, followed and stopped."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row, select
from sqlalchemy.orm import InstrumentedAttribute
from starlette.concurrency import run_in_threadpool

from gan_aug.run import layout
from gan_aug_service.access.caller import Caller, Editor, Viewer, holds
from gan_aug_service.database.tables import ID_PATTERN, Job, JobState
from gan_aug_service.http.problems import Problem
from gan_aug_service.parts import Parts
from gan_aug_service.queue.event_stream import JobView, follow
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import (
    After,
    ConfigBody,
    Id,
    IdempotencyKey,
    Limit,
    Service,
    answer,
    described_body,
    faults,
    gives,
    page,
)
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import JobOut, JobWithConfig, Page

router = new_router("jobs")


class Verb(StrEnum):
    """The verbs of the command line; asking workflows for them would load PyTorch into the service."""

    RUN = "run"
    IMPORT = "import"
    TRAIN = "train"
    GENERATE = "generate"
    COMPARE = "compare"


LISTED: tuple[InstrumentedAttribute[Any], ...] = (
    Job.id, Job.run_id, Job.project, Job.verb, Job.state, Job.created, Job.started, Job.ended, Job.attempt, Job.cancel,
    Job.error, Job.message,
)  # fmt: skip
"""What a list shows of a job: requests and configs are long and stay where they are."""

RunQuery = Annotated[str | None, Query(pattern=ID_PATTERN, description="go on in this run's folder")]


@router.post(
    "/jobs/{verb}",
    status_code=HTTPStatus.ACCEPTED,
    responses=faults(400, 404, 409, 413, 415, 507),
    openapi_extra=described_body(),
)
def submit(
    verb: Verb,
    config: ConfigBody,
    caller: Editor,
    parts: Service,
    response: Response,
    run: RunQuery = None,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Queue a verb; the body is its config. Repeated with the same Idempotency-Key it gives the same job."""
    job, repeated = jobs.submit(parts, caller, verb.value, config, run, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return JobOut.of(job)


@router.get("/jobs", response_model=Page[JobOut])
def list_jobs(
    caller: Viewer,
    parts: Service,
    state: JobState | None = None,
    run: RunQuery = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Jobs of the key's project, newest first."""
    return answer(listed(caller, parts, state, run, limit, after))


def listed(
    caller: Caller,
    parts: Parts,
    state: JobState | None = None,
    run: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page[JobOut]:
    """A page of the jobs that the caller sees, newest first, of one state or one run where they are given."""
    query = caller.seen(select(*LISTED), Job)
    if state:
        query = query.where(Job.state == state)
    if run:
        query = query.where(Job.run_id == run)
    with parts.database.reading() as session:
        return page(session, query, Job, limit, after, _shown)


@lru_cache(maxsize=4096)
def _shown(row: Row[Any]) -> JobOut:
    """A row of a list as its callers see it: of fifty jobs one or two have changed since the list before."""
    return JobOut.of(row)


@router.get("/jobs/{id}", response_model=JobWithConfig, responses=faults(404))
def get_job(id: Id, caller: Viewer, parts: Service) -> Response:  # noqa: A002 - the path's word
    """One job, with its config."""
    with parts.database.reading() as session:
        return answer(JobWithConfig.of(jobs.find(session, caller, id)))


@router.delete("/jobs/{id}", status_code=HTTPStatus.ACCEPTED, responses=faults(404))
def cancel(id: Id, caller: Editor, parts: Service) -> JobOut:  # noqa: A002
    """Stop a job at its next safe point; what it has made stays, and it can be resumed."""
    return JobOut.of(jobs.cancel(parts, caller, id))


@router.post("/jobs/{id}/resume", status_code=HTTPStatus.ACCEPTED, responses=faults(404, 409))
def resume(id: Id, caller: Editor, parts: Service) -> JobOut:  # noqa: A002
    """Queue an ended job once more; it goes on from what is whole in its run."""
    return JobOut.of(jobs.resume(parts, caller, id))


@router.get(
    "/jobs/{id}/events",
    response_class=StreamingResponse,
    responses=faults(404) | gives("text/event-stream"),
)
async def events(
    id: Id,  # noqa: A002
    request: Request,
    caller: Viewer,
    parts: Service,
    wait: Annotated[bool, Query(description="stay until the job has ended")] = True,
    last_event_id: Annotated[str | None, Header(description="the last event's id that was seen")] = None,
) -> StreamingResponse:
    """The job's events as server-sent events; each has an id from which a later call goes on (Last-Event-ID)."""
    job = await run_in_threadpool(_found, parts, caller, id)
    path = parts.settings.runs.resolve() / job.run_id / layout.EVENTS
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19 else None
    streams = parts.streams.setdefault(caller.key_id, set())
    if len(streams) >= parts.settings.limits.streams:
        detail = f"this key has {len(streams)} event streams open: close some"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "5"})

    def look() -> JobView | None:
        return _view(_found(parts, caller, id)) if holds(request) else None

    news = follow(path, look, seen, parts.closing.is_set, wait=wait)

    async def counted() -> Any:
        mark = object()
        streams.add(mark)
        try:
            async for part in news:
                yield part
        finally:
            streams.discard(mark)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(counted(), media_type="text/event-stream", headers=headers)


def _found(parts: Parts, caller: Caller, job_id: str) -> Job:
    with parts.database.reading() as session:
        return jobs.find(session, caller, job_id)


def _view(job: Job) -> JobView:
    return JobView(JobState(job.state), job.events_from, job.events_to)
