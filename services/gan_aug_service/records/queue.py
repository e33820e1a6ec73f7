"""The queue as its records: a job that waits is paused, goes on, or gets another place; the whole queue is paused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Job, JobState, QueuePause, now
from gan_aug_service.http.problems import Problem
from gan_aug_service.queue.waiting import PAUSE_ID, queue_pause
from gan_aug_service.records.jobs import find_job
from gan_aug_service.records.ownership import check_owner, tell_owner

Turn = Literal["first", "usual", "last"]


def pause_job(components: Components, principal: Principal, job_id: str, *, paused: bool) -> Job:
    """Let a job that waits not start, or let it start again when it is its turn.

    Args:
        components: The service's components.
        principal: Who asks.
        job_id: The job.
        paused: Whether it is to be paused.

    Returns:
        The job.

    Raises:
        Problem: The principal cannot see the job, it is another's, or it does not wait.
    """
    with components.database.writing() as session:
        job = _find_waiting(session, principal, job_id)
        check_owner(session, principal, job.key_id, f"job {job_id}", job.project)
        if (job.paused is not None) != paused:
            job.paused = now() if paused else None
            if paused:
                told = f"paused your job {job.verb} {job.id[-6:]}"
                tell_owner(session, principal, job.key_id, "job.pause", job.id, told)
            principal.audit(session, "job.pause" if paused else "job.continue", job.id)
    components.supervisor.wake()
    return job


def set_turn(components: Components, principal: Principal, job_id: str, turn: Turn) -> Job:
    """Put a job that waits before all others or behind them, or let it wait for the turn of its project.

    Args:
        components: The service's components.
        principal: Who asks, an administrator.
        job_id: The job.
        turn: Where to put it.

    Returns:
        The job.

    Raises:
        Problem: There is no such job, or it does not wait.
    """
    with components.database.writing() as session:
        job = _find_waiting(session, principal, job_id)
        others = select(func.max(Job.turn), func.min(Job.turn)).where(Job.state == JobState.QUEUED, Job.id != job.id)
        highest, lowest = session.execute(others).one()
        job.turn = {"first": max(0, highest or 0) + 1, "usual": 0, "last": min(0, lowest or 0) - 1}[turn]
        principal.audit(session, "job.turn", job.id, turn)
    components.supervisor.wake()
    return job


def pause_queue(components: Components, principal: Principal, *, paused: bool) -> None:
    """Let no job start from now on, or let them start again; jobs that are at work go on.

    Args:
        components: The service's components.
        principal: Who asks, an administrator.
        paused: Whether the queue is to be paused.
    """
    with components.database.writing() as session:
        found = queue_pause(session)
        if paused and not found:
            session.add(QueuePause(id=PAUSE_ID, who=principal.name))
            principal.audit(session, "queue.pause")
        elif found and not paused:
            session.delete(found)
            principal.audit(session, "queue.continue")
    components.supervisor.wake()


def _find_waiting(session: Session, principal: Principal, job_id: str) -> Job:
    job = find_job(session, principal, job_id, lock=True)
    if job.state != JobState.QUEUED:
        detail = f"job {job_id} is {job.state}: only a job that waits in the queue can be paused or moved"
        raise Problem(HTTPStatus.CONFLICT, detail)
    return job
