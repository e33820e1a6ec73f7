"""Removes runs: the folder with all that was made, and the logs of the jobs. The jobs stay as records."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from http import HTTPStatus

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gan_aug.errors import RunConflict, StorageError
from gan_aug.run.files import remove_folder
from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import ENDED, AuditEntry, Job, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries, synthetic_images
from gan_aug_service.products.files import PRODUCTS
from gan_aug_service.records.caches import purge_caches
from gan_aug_service.records.folder_removal import REMOVED, UNFINISHED, check_removed, removing
from gan_aug_service.records.ownership import check_owner, owner_of_run, tell_owner
from gan_aug_service.records.releases import withdraw_all
from gan_aug_service.settings import Settings

ACTION = "run.remove"
FORGOTTEN = "what this said was removed with the run"
log = logging.getLogger(__name__)


def remove_run(components: Components, principal: Principal, run_id: str) -> None:
    """Remove all that a run holds, and record it in the audit.

    Args:
        components: The service's components.
        principal: Who asks.
        run_id: The run.

    Raises:
        RunConflict: One of its jobs is queued or running.
        Problem: The principal cannot see the run, it is another's, or there is nothing to remove.
        StorageError: It is removed, but the disk did not delete all of its files.
    """
    folder = components.settings.runs / run_id
    with removing(folder) as move_aside, components.database.writing() as session:
        run = session.get(Run, run_id, with_for_update=True)
        held = [product for product in PRODUCTS if getattr(run, product, False)]
        if run is None or not principal.can_see(run.project) or not (held or folder.exists()):
            detail = f"there is no run {run_id} to remove: look at what there is with GET /v1/jobs"
            raise Problem(HTTPStatus.NOT_FOUND, detail)
        owner = owner_of_run(session, run_id)
        check_owner(session, principal, owner, f"the run {run_id}", run.project)
        jobs = _ended_jobs(session, run_id)
        _forget_products(session, run_id)
        withdraw_all(session, principal, run_id)
        for one in {owner, *session.scalars(select(Job.key_id).where(Job.run_id == run_id))}:
            whose = "your run" if one == owner else "a run that you worked in,"
            tell_owner(session, principal, one, ACTION, run_id, f"removed {whose} {run_id[-6:]}")
        principal.audit(session, ACTION, run_id, ", ".join(held))
        session.flush()
        move_aside()
    _clear_processes(components.settings, jobs)
    summaries.clear_cache()
    synthetic_images.clear_cache()
    components.database.overwrite_deleted()
    purge_caches(components.settings, components.database)
    check_removed(folder)


def finish_removals(settings: Settings, database: Database) -> None:
    """Complete the removals, of runs and of what was cached, of a killed service, before any job is started."""
    for path in settings.runs.glob(".*.tmp"):  # an adoption that was not completed
        if UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
    for path in sorted(settings.runs.glob(f".*{REMOVED}")):
        if unfinished := UNFINISHED.fullmatch(path.name):
            with database.writing() as session:
                jobs = list(session.scalars(select(Job.id).where(Job.run_id == unfinished[1])))
                _forget_products(session, unfinished[1])
                detail = "finished when the service started again"
                session.add(AuditEntry(action=ACTION, target=unfinished[1], detail=detail))
            _clear_processes(settings, jobs)
            try:
                remove_folder(path)
            except StorageError:
                log.exception("a removal cannot be finished", extra={"run": unfinished[1]})
            else:
                log.info("a removal is finished", extra={"run": unfinished[1]})
    database.overwrite_deleted()
    try:
        purge_caches(settings, database)
    except StorageError:
        log.exception("cached images cannot be removed")


def _ended_jobs(session: Session, run_id: str) -> list[str]:
    """The ids of a run's jobs, locked so that none is resumed meanwhile; raises RunConflict if one has not ended."""
    jobs = session.scalars(select(Job).where(Job.run_id == run_id).with_for_update(of=Job)).all()
    for job in jobs:
        if job.state not in ENDED:
            raise RunConflict(f"job {job.id} of the run {run_id} is {job.state}: wait for it, or cancel it")
    return [job.id for job in jobs]


def _forget_products(session: Session, run_id: str) -> None:
    """Record that a run holds nothing, and forget why its jobs failed: such sentences may name files and patients."""
    if run := session.get(Run, run_id):
        for product in PRODUCTS:
            setattr(run, product, False)
        run.data_name = run.verdict = run.notes = ""
        run.labels = ()
    session.execute(update(Job).where(Job.run_id == run_id, Job.message.is_not(None)).values(message=FORGOTTEN))


def _clear_processes(settings: Settings, jobs: Iterable[str]) -> None:
    """Remove the logs of the jobs' processes: they may name files and patients."""
    for job in jobs:
        shutil.rmtree(settings.processes / job, ignore_errors=True)
