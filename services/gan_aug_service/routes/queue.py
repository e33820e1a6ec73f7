"""The queue: what waits in which order; jobs are paused and moved, and the whole queue is paused."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response
from sqlalchemy import func, select

from gan_aug_service.access.authentication import Admin, Editor, Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Job, JobState
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.queue import QueueOut, TurnIn
from gan_aug_service.openapi.schemas import JobOut
from gan_aug_service.queue.waiting import queue_pause
from gan_aug_service.records import queue
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router
from gan_aug_service.routes.jobs import listed_jobs, with_place

router = versioned_router("queue")


@router.get("/queue")
def get_queue(principal: Viewer, components: ComponentsDep) -> QueueOut:
    """The jobs of the key's project that wait, in the order in which they start; and whether the queue is paused."""
    return queue_out(principal, components)


def queue_out(principal: Principal, components: Components) -> QueueOut:
    """The queue as a principal sees it.

    Args:
        principal: Who asks.
        components: The service's components.

    Returns:
        The jobs that wait, in order, and those that are paused behind them.
    """
    settings = components.settings
    query = principal.visible(listed_jobs().where(Job.state == JobState.QUEUED).order_by(Job.id), Job)
    with components.database.reading() as session:
        pause = queue_pause(session)
        working = session.scalar(select(func.count()).where(Job.state == JobState.RUNNING)) or 0
        rows = [JobOut.of(row) for row in session.execute(query)]
    order = components.supervisor.places()
    number = {job_id: at for at, job_id in enumerate(order)}
    return QueueOut(
        paused=pause and pause.since,
        paused_by=pause and pause.who,
        working=working,
        room=settings.jobs,
        room_short=settings.short_jobs,
        waiting=len(order),
        items=[
            with_place(job, components)
            for job in sorted(rows, key=lambda job: (number.get(job.id, len(order)), job.id))
        ],
    )


@router.put("/queue/pause", status_code=HTTPStatus.NO_CONTENT)
def pause_queue(principal: Admin, components: ComponentsDep) -> Response:
    """Let no job start from now on; those at work go on."""
    queue.pause_queue(components, principal, paused=True)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/queue/pause", status_code=HTTPStatus.NO_CONTENT)
def continue_queue(principal: Admin, components: ComponentsDep) -> Response:
    """Let jobs start again."""
    queue.pause_queue(components, principal, paused=False)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.put("/jobs/{id}/pause", responses=problem_responses(404, 409))
def pause_job(id: Id, principal: Editor, components: ComponentsDep) -> JobOut:
    """Let a job that waits not start until it goes on."""
    return with_place(JobOut.of(queue.pause_job(components, principal, id, paused=True)), components)


@router.delete("/jobs/{id}/pause", responses=problem_responses(404, 409))
def continue_job(id: Id, principal: Editor, components: ComponentsDep) -> JobOut:
    """Let a job that was paused wait for its turn again."""
    return with_place(JobOut.of(queue.pause_job(components, principal, id, paused=False)), components)


@router.put("/jobs/{id}/turn", responses=problem_responses(400, 404, 409, 413))
def set_turn(id: Id, body: TurnIn, principal: Admin, components: ComponentsDep) -> JobOut:
    """Put a job that waits before all others, behind them, or where its project's turn puts it."""
    return with_place(JobOut.of(queue.set_turn(components, principal, id, body.turn)), components)
