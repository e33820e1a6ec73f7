"""What the database says of the queue: the jobs that wait, what their projects had, and whether the queue is paused."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug_service.database.tables import Job, JobState, QueuePause, now
from gan_aug_service.queue.turns import Served, Waiting, in_order

REMEMBERED = timedelta(days=7)
"""How long a project's turns count."""

PAUSE_ID = 1


def queue_pause(session: Session) -> QueuePause | None:
    """The pause of the whole queue; None if it goes on."""
    return session.get(QueuePause, PAUSE_ID)


def waiting_in_order(session: Session) -> list[Waiting]:
    """The jobs that wait and are not paused, in the order in which they start."""
    columns = Job.id, Job.project, Job.key_id, Job.short, Job.turn
    query = select(*columns).where(Job.state == JobState.QUEUED, Job.paused.is_(None))
    waiting = [Waiting(*row) for row in session.execute(query)]
    return in_order(waiting, _served(session)) if len(waiting) > 1 else waiting


def _served(session: Session) -> Served:
    served = Served()
    query = select(Job.project, Job.key_id, func.max(Job.taken)).where(Job.taken > now() - REMEMBERED)
    for project, person, taken in session.execute(query.group_by(Job.project, Job.key_id)):
        served.add(project, person, _seconds(taken), working=False)
    running = select(Job.project, Job.key_id, Job.taken, Job.started).where(Job.state == JobState.RUNNING)
    for project, person, taken, started in session.execute(running):
        served.add(project, person, _seconds(taken or started), working=True)
    return served


def _seconds(when: datetime | None) -> float:
    return when.timestamp() if when else 0.0
