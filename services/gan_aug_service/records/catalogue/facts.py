"""Fills in what lists say of runs that an earlier version made, or whose process was killed before it could tell."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import and_, or_, select

from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import Run
from gan_aug_service.products.facts import run_facts
from gan_aug_service.settings import Settings

log = logging.getLogger(__name__)


def fill_facts(settings: Settings, database: Database, closing: threading.Event) -> None:
    """Read the folders of the runs of which lists say too little; one that cannot be read stays as it is.

    Args:
        settings: The service's settings.
        database: Its records.
        closing: Set when the service is about to stop; the next service then goes on.
    """
    lacking = or_(and_(Run.dataset, Run.data_name == ""), and_(Run.report, Run.verdict == ""))
    with database.reading() as session:
        found = list(session.scalars(select(Run.id).where(lacking).order_by(Run.id.desc())))
    for run_id in found:
        if closing.is_set():
            return
        try:
            facts = run_facts(settings.runs / run_id)
        except Exception:
            log.exception("what a run holds cannot be told", extra={"run": run_id})
            continue
        with database.writing() as session:
            run = session.get(Run, run_id, with_for_update=True)
            if run and (run.dataset or run.report):  # it was not removed meanwhile
                run.take(facts)
