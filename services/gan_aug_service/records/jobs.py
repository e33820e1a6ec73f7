"""Jobs as records: submitted, found, cancelled, resumed. The supervisor does the rest."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gan_aug.config import Config, dump, parse, with_earlier
from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, read_json
from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Job, JobState, Role, Run, Upload, new_id, now
from gan_aug_service.http.problems import Problem, idempotency_conflict, not_found
from gan_aug_service.openapi.described import AboutIn
from gan_aug_service.queue.turns import is_short
from gan_aug_service.records.allowed_paths import resolve_paths
from gan_aug_service.records.catalogue.about import Naming, earlier_data_title, free_title, naming_of
from gan_aug_service.records.ownership import check_owner, tell_owner
from gan_aug_service.records.projects import named
from gan_aug_service.rules.allowed import refuse_above_ceilings
from gan_aug_service.rules.guards import loosened_guards


def submit(
    components: Components,
    principal: Principal,
    verb: str,
    values: dict[str, Any],
    run_id: str | None,
    idempotency_key: str | None,
    about: AboutIn | None = None,
) -> tuple[Job, bool]:
    """Queue a verb.

    Args:
        components: The service's components.
        principal: Who asks.
        verb: The verb.
        values: The config, as it was sent.
        run_id: The run to go on in; without one, the job gets a new run.
        idempotency_key: The same key with the same request gives the same job.
        about: The title, tags and notes of a new run; what is left out follows from the config.

    Returns:
        The job, and whether an earlier request with the same idempotency key made it.

    Raises:
        ConfigError: The config is not valid, names what requests may not name, or asks for more than the rules allow.
        RunConflict: Another job holds the run, or its files were removed.
        Problem: The principal cannot see the run or may not loosen a guard, the queue is full, or the idempotency key
            came with another request.
    """
    config = parse(values, "the request")
    dumped = dump(config)
    fingerprint = fingerprint_of(verb, run_id, config)
    if job := _find_repeated(components, principal, idempotency_key, fingerprint):
        return job, True
    request = accepted_request(components, principal, verb, config, run_id)
    checked = components.checker.remembered(fingerprint) or {}
    with components.database.reading() as session:
        naming = naming_of(session, principal, dumped["data"])
        title = naming.data_title if run_id is None else earlier_data_title(session, run_id)
    if request.data.title is None and title:
        request = request.model_copy(update={"data": request.data.model_copy(update={"title": title})})
    job = Job(
        id=new_id(),
        key_id=principal.key_id,
        owner=principal.name,
        verb=verb,
        short=is_short(verb, config),
        estimate=json.dumps(checked["seconds"]) if "seconds" in checked else None,
        config=json.dumps(dumped),
        request=json.dumps(dump(request)),
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
    )
    try:
        with components.database.writing() as session:
            job.run = _run_of(components, principal, session, job, run_id, naming, about)
            _insert(components, principal, session, job)
    except IntegrityError as error:
        if repeated := _find_repeated(components, principal, idempotency_key, fingerprint):
            return repeated, True
        raise _run_in_use(run_id or "") from error
    components.supervisor.wake()
    return job, False


def fingerprint_of(verb: str, run_id: str | None, config: Config) -> str:
    """The SHA-256 of a request.

    Args:
        verb: The verb.
        run_id: The run to go on in, or None.
        config: The config, as it was sent.

    Returns:
        Its hexadecimal digits.
    """
    return json_sha256([verb, run_id, dump(config)])


def accepted_request(
    components: Components, principal: Principal, verb: str, config: Config, run_id: str | None
) -> Config:
    """The config for a job's process, if a request may ask for it.

    Args:
        components: The service's components.
        principal: Who asks.
        verb: The verb.
        config: The config, as it was sent.
        run_id: The run to go on in, or None.

    Returns:
        The config with absolute paths.

    Raises:
        ConfigError: It names what requests may not name, or asks for more than the rules allow.
        Problem: The principal may not loosen a guard.
    """
    refuse_above_ceilings(config, verb, components.settings.rules)
    _refuse_loosened_guards(components, principal, config, run_id)
    return resolve_paths(config, components.settings, lambda upload: owns_upload(components, principal, upload))


def cancel(components: Components, principal: Principal, job_id: str) -> Job:
    """Cancel a job: a queued one at once, a running one at its next safe point; one that has ended stays as it is.

    Args:
        components: The service's components.
        principal: Who asks.
        job_id: The job.

    Returns:
        The job.

    Raises:
        Problem: The principal cannot see the job, or it is another's.
    """
    with components.database.writing() as session:
        job = find_job(session, principal, job_id, lock=True)
        check_owner(session, principal, job.key_id, f"job {job_id}", job.project)
        if not JobState(job.state).ended and job.cancel is None:
            told = f"stopped your job {job.verb} {job.id[-6:]}"
            tell_owner(session, principal, job.key_id, "job.cancel", job.id, told)
        if job.state == JobState.QUEUED:
            job.state, job.ended, job.holds_run, job.cancel = JobState.CANCELLED, now(), None, now()
            job.events_to = job.events_from
        elif job.state == JobState.RUNNING and job.cancel is None:
            job.cancel = now()
        principal.audit(session, "job.cancel", job.id)
    components.supervisor.wake()
    return job


def resume(components: Components, principal: Principal, job_id: str) -> Job:
    """Queue an ended job again: it goes on from what is complete in its run.

    Args:
        components: The service's components.
        principal: Who asks.
        job_id: The job.

    Returns:
        The job.

    Raises:
        RunConflict: It has not ended, its files were removed, or another job holds the run.
        ConfigError: It asks for more than the rules allow now.
        Problem: The principal cannot see the job.
    """
    try:
        with components.database.writing() as session:
            job = find_job(session, principal, job_id, lock=True)
            if not JobState(job.state).ended:
                raise RunConflict(f"job {job_id} is {job.state}: only an ended job can be resumed")
            named(session, job.project)
            if run_removed(components, session, job.run_id):
                raise RunConflict(f"what job {job_id} made was removed: ask for it with a new job")
            asked = parse(with_earlier(json.loads(job.request)), "the job's request")
            refuse_above_ceilings(asked, job.verb, components.settings.rules)
            job.state, job.holds_run, job.start, job.attempt = JobState.QUEUED, job.run_id, job.start + 1, 0
            job.cancel = job.ended = job.seconds = job.events_to = job.error = job.message = job.replaced = None
            job.pid = job.pid_started = job.paused = None
            principal.audit(session, "job.resume", job.id)
    except IntegrityError as error:
        raise _run_in_use("of this job") from error
    components.supervisor.wake()
    return job


def find_job(session: Session, principal: Principal, job_id: str, *, lock: bool = False) -> Job:
    """The job of an id.

    Args:
        session: A session.
        principal: Who asks.
        job_id: The job.
        lock: Lock the row until the session ends.

    Returns:
        The job.

    Raises:
        Problem: There is none, or the principal cannot see it.
    """
    job = session.get(Job, job_id, with_for_update={"of": Job} if lock else None)
    if job is None or not principal.can_see(job.project):
        raise not_found("job", job_id)
    return job


def find_run(session: Session, principal: Principal, run_id: str, resource: str, product: str | None = None) -> Run:
    """The run of an id.

    Args:
        session: A session.
        principal: Who asks.
        run_id: The run.
        resource: What the request asked for, as a problem document names it.
        product: The product that the run must hold.

    Returns:
        The run.

    Raises:
        Problem: There is none, the principal cannot see it, or it does not hold the product.
    """
    run = session.get(Run, run_id)
    if run is None or not principal.can_see(run.project) or (product and not getattr(run, product)):
        raise not_found(resource, run_id)
    return run


def run_removed(components: Components, session: Session, run_id: str) -> bool:
    """Whether the files of a run were removed: one of its jobs had events, and there is no folder.

    Args:
        components: The service's components.
        session: A session.
        run_id: The run.

    Returns:
        Whether they were removed.
    """
    if (components.settings.runs / run_id).exists():
        return False
    worked = select(Job.id).where(Job.run_id == run_id, Job.events_to > 0)
    return session.scalar(worked.limit(1)) is not None


def _run_of(
    components: Components, principal: Principal, session: Session, job: Job, run_id: str | None, naming: Naming,
    about: AboutIn | None,
) -> Run:  # fmt: skip
    """The run that a new job works in: one that is there, or a new one with its title."""
    if run_id:
        if about and about.title:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "title: this run has one: change it with PATCH /v1/runs/ID")
        run = find_run(session, principal, run_id, "job")
        if run_removed(components, session, run_id):
            raise RunConflict(f"what the run {run_id} held was removed: leave out ?run=")
        return run
    about = about or AboutIn()
    run = Run(
        id=job.id,
        project=principal.project,
        key_id=principal.key_id,
        owner=principal.name,
        title=about.title or free_title(session, principal.project, naming.title),
        source=naming.source,
        tags=tuple(about.tags or ()),
        notes=about.notes or "",
    )
    session.add(run)
    session.flush()
    return run


def _insert(components: Components, principal: Principal, session: Session, job: Job) -> None:
    run = job.run
    named(session, run.project)
    waiting = select(func.count()).where(Job.project == run.project, Job.state == JobState.QUEUED)
    if (session.scalar(waiting) or 0) >= components.settings.limits.queued:
        detail = f"{components.settings.limits.queued} jobs of {run.project} are waiting: wait for some, or cancel them"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "60"})
    job.run_id = job.holds_run = run.id
    job.project = run.project
    session.add(job)
    principal.audit(session, f"job.{job.verb}", job.id, job.config)


def _refuse_loosened_guards(components: Components, principal: Principal, config: Config, run_id: str | None) -> None:
    """Raise Problem if the request loosens a guard that the principal may not loosen, and the run's import did not."""
    before = None
    if run_id:
        with components.database.reading() as session:
            find_run(session, principal, run_id, "job")
        imported = components.settings.runs / run_id / layout.DATASET / layout.REQUEST
        before = read_json(imported).get("data") if imported.exists() else None
    rules = components.settings.rules
    found = loosened_guards(config, rules.guards, lambda role: principal.has_role(Role(role)), rules.contact, before)
    if found:
        raise Problem(HTTPStatus.FORBIDDEN, "; ".join(found))


def _find_repeated(
    components: Components, principal: Principal, idempotency_key: str | None, fingerprint: str
) -> Job | None:
    """The job that this key made with the same idempotency key; raises Problem if the request was another one."""
    if idempotency_key is None:
        return None
    with components.database.reading() as session:
        query = select(Job).where(Job.key_id == principal.key_id, Job.idempotency_key == idempotency_key)
        job = session.scalar(query)
    if job and job.fingerprint != fingerprint:
        raise idempotency_conflict(idempotency_key)
    return job


def owns_upload(components: Components, principal: Principal, upload_id: str) -> bool:
    """Whether there is an upload of an id that a principal can see."""
    with components.database.reading() as session:
        upload = session.get(Upload, upload_id)
        return upload is not None and principal.can_see(upload.project)


def _run_in_use(run_id: str) -> RunConflict:
    return RunConflict(f"another job works in the run {run_id}: wait for it, cancel it, or leave out ?run=")
