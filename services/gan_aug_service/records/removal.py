"""Runs removed: the folder with all that was made, and what the jobs' processes wrote; the jobs stay as records."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from http import HTTPStatus

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gan_aug.errors import RunConflict
from gan_aug_service.access.caller import Caller
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import ENDED, AuditEntry, Job, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.parts import Parts
from gan_aug_service.products import summaries as products
from gan_aug_service.products import synthetic_images
from gan_aug_service.settings import Settings
from gan_aug_service.uploads.leftovers import GONE, HALF, removal

ACTION = "run.remove"
log = logging.getLogger(__name__)


def remove_run(parts: Parts, caller: Caller, run_id: str) -> None:
    """Remove what a run holds; that it was removed, and by whom, is in the audit.

    Raises RunConflict while one of its jobs waits or works, Problem where the run is not the caller's or there is
    nothing left to remove.
    """
    folder = parts.settings.runs / run_id
    with removal(folder) as set_aside, parts.database.writing() as session:
        run = session.get(Run, run_id, with_for_update=True)
        held = [noun for noun in products.NOUNS if getattr(run, noun, False)]
        if run is None or not caller.sees(run.project) or not (held or folder.exists()):
            detail = f"there is no run {run_id} to remove: look at what there is with GET /v1/jobs"
            raise Problem(HTTPStatus.NOT_FOUND, detail)
        jobs = _ended_jobs(session, run_id)
        _forget(session, run_id)
        caller.audit(session, ACTION, run_id, ", ".join(held))
        session.flush()
        set_aside()
    _clear_processes(parts.settings, jobs)
    products.forget()
    synthetic_images.forget()


def finish_removals(settings: Settings, database: Database) -> None:
    """Finish what a service that was killed had begun to remove; to be called before any job is started."""
    for path in sorted(settings.runs.glob(f".*{GONE}")):
        if half := HALF.fullmatch(path.name):
            with database.writing() as session:
                jobs = list(session.scalars(select(Job.id).where(Job.run_id == half[1])))
                _forget(session, half[1])
                said = "finished when the service started again"
                session.add(AuditEntry(action=ACTION, target=half[1], detail=said))
            _clear_processes(settings, jobs)
            shutil.rmtree(path, ignore_errors=True)
            log.info("a removal is finished", extra={"run": half[1]})


def _ended_jobs(session: Session, run_id: str) -> list[str]:
    """The ids of a run's jobs, locked so that none is resumed meanwhile; raises RunConflict where one has not ended."""
    jobs = session.scalars(select(Job).where(Job.run_id == run_id).with_for_update()).all()
    for job in jobs:
        if job.state not in ENDED:
            raise RunConflict(f"job {job.id} of the run {run_id} is {job.state}: wait for it, or cancel it")
    return [job.id for job in jobs]


def _forget(session: Session, run_id: str) -> None:
    session.execute(update(Run).where(Run.id == run_id).values(dict.fromkeys(products.NOUNS, False)))


def _clear_processes(settings: Settings, jobs: Iterable[str]) -> None:
    """Remove the logs of the jobs' processes: they may name files and patients."""
    for job in jobs:
        shutil.rmtree(settings.processes / job, ignore_errors=True)
