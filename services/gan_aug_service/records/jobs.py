"""Jobs as records: submitted, listed, cancelled, resumed; the supervisor does the rest."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gan_aug import config as configs
from gan_aug.errors import RunConflict
from gan_aug.run.files import json_sha256
from gan_aug_service.access.caller import Caller
from gan_aug_service.database.tables import Job, JobState, Run, Upload, new_id, now
from gan_aug_service.http.problems import Problem, not_found, repeated_otherwise
from gan_aug_service.parts import Parts
from gan_aug_service.records.allowed_paths import resolved


def submit(
    parts: Parts, caller: Caller, verb: str, values: dict[str, Any], run_id: str | None, idempotency_key: str | None
) -> tuple[Job, bool]:
    """Queue a verb; gives the job and whether it is the one that the same idempotency key made before.

    Without `run_id` it gets a run folder of its own. Raises ConfigError for what cannot be asked, RunConflict where
    another job holds the run, Problem for a run that is not the caller's or a queue that is full.
    """
    config = configs.parse(values, "the request")
    asked = configs.dump(config)
    fingerprint = json_sha256([verb, run_id, asked])
    if job := _repeated(parts, caller, idempotency_key, fingerprint):
        return job, True
    request = resolved(config, parts.settings, lambda upload: _owns_upload(parts, caller, upload))
    job = Job(
        id=new_id(),
        key_id=caller.key_id,
        verb=verb,
        config=json.dumps(asked),
        request=json.dumps(configs.dump(request)),
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
    )
    try:
        with parts.database.writing() as session:
            _insert(parts, caller, session, job, run_id)
    except IntegrityError as error:
        if repeated := _repeated(parts, caller, idempotency_key, fingerprint):
            return repeated, True
        raise _held(run_id or "") from error
    parts.supervisor.wake()
    return job, False


def cancel(parts: Parts, caller: Caller, job_id: str) -> Job:
    """Ask a job to end; a waiting one ends at once, one at work at its next safe point, an ended one stays as it is."""
    with parts.database.writing() as session:
        job = find(session, caller, job_id, lock=True)
        if job.state == JobState.QUEUED:
            job.state, job.ended, job.holds_run, job.cancel = JobState.CANCELLED, now(), None, now()
            job.events_to = job.events_from
        elif job.state == JobState.RUNNING and job.cancel is None:
            job.cancel = now()
        caller.audit(session, "job.cancel", job.id)
    parts.supervisor.wake()
    return job


def resume(parts: Parts, caller: Caller, job_id: str) -> Job:
    """Queue an ended job once more: it goes on from what is whole in its run.

    Raises RunConflict where it has not ended, or another job holds the run.
    """
    try:
        with parts.database.writing() as session:
            job = find(session, caller, job_id, lock=True)
            if not JobState(job.state).ended:
                raise RunConflict(f"job {job_id} is {job.state}: only an ended job can be resumed")
            if removed(parts, session, job.run_id):
                raise RunConflict(f"what job {job_id} made was removed: ask for it with a new job")
            job.state, job.holds_run, job.start, job.attempt = JobState.QUEUED, job.run_id, job.start + 1, 0
            job.cancel = job.ended = job.events_to = job.error = job.message = job.replaced = None
            job.pid = job.pid_started = None
            caller.audit(session, "job.resume", job.id)
    except IntegrityError as error:
        raise _held("of this job") from error
    parts.supervisor.wake()
    return job


def find(session: Session, caller: Caller, job_id: str, *, lock: bool = False) -> Job:
    """The job of an id, where this caller may see it; raises Problem where there is none."""
    job = session.get(Job, job_id, with_for_update=lock)
    if job is None or not caller.sees(job.project):
        raise not_found("job", job_id)
    return job


def find_run(session: Session, caller: Caller, run_id: str, noun: str, product: str | None = None) -> Run:
    """The run of an id, where this caller may see it and it holds the product; raises Problem where there is none."""
    run = session.get(Run, run_id)
    if run is None or not caller.sees(run.project) or (product and not getattr(run, product)):
        raise not_found(noun, run_id)
    return run


def removed(parts: Parts, session: Session, run_id: str) -> bool:
    """Whether what a run held was removed: a job of it has events, and it has no folder."""
    if (parts.settings.runs / run_id).exists():
        return False
    worked = select(Job.id).where(Job.run_id == run_id, Job.events_to > 0)
    return session.scalar(worked.limit(1)) is not None


def _insert(parts: Parts, caller: Caller, session: Session, job: Job, run_id: str | None) -> None:
    if run_id:
        run = find_run(session, caller, run_id, "job")
        if removed(parts, session, run_id):
            raise RunConflict(f"what the run {run_id} held was removed: leave out ?run=")
    else:
        run = Run(id=job.id, project=caller.project)
        session.add(run)
        session.flush()
    waiting = select(func.count()).where(Job.project == run.project, Job.state == JobState.QUEUED)
    if (session.scalar(waiting) or 0) >= parts.settings.limits.queued:
        detail = f"{parts.settings.limits.queued} jobs of {run.project} are waiting: wait for some, or cancel them"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "60"})
    job.run_id = job.holds_run = run.id
    job.project = run.project
    session.add(job)
    caller.audit(session, f"job.{job.verb}", job.id, job.config)


def _repeated(parts: Parts, caller: Caller, idempotency_key: str | None, fingerprint: str) -> Job | None:
    """The job that this key made with the same idempotency key; raises Problem where another request did."""
    if idempotency_key is None:
        return None
    with parts.database.reading() as session:
        query = select(Job).where(Job.key_id == caller.key_id, Job.idempotency_key == idempotency_key)
        job = session.scalar(query)
    if job and job.fingerprint != fingerprint:
        raise repeated_otherwise(idempotency_key)
    return job


def _owns_upload(parts: Parts, caller: Caller, upload_id: str) -> bool:
    with parts.database.reading() as session:
        upload = session.get(Upload, upload_id)
        return upload is not None and caller.sees(upload.project)


def _held(run_id: str) -> RunConflict:
    return RunConflict(f"another job works in the run {run_id}: wait for it, cancel it, or leave out ?run=")
