"""How long the audit is kept: entries above the age limit are removed once an hour."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import delete, func, select

from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import AuditEntry, first_id, now

EVERY_SECONDS = 3600.0
log = logging.getLogger(__name__)


class AuditRetention:
    """Removes old entries of the audit; each removal is an entry itself."""

    def __init__(self, database: Database, days: int) -> None:
        """Keep entries for `days` days; 0 keeps all."""
        self._database, self._days = database, days
        self._due = time.monotonic()

    def prune_if_due(self) -> None:
        """Remove what is too old, if the last removal was an hour ago."""
        if self._days and time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_SECONDS
            self.prune()

    def prune(self) -> int:
        """Remove what is too old; returns how many entries that were."""
        old = AuditEntry.id < first_id(now() - timedelta(days=self._days))
        with self._database.writing() as session:
            count = session.scalar(select(func.count()).select_from(AuditEntry).where(old)) or 0
            if count:
                session.execute(delete(AuditEntry).where(old))
                detail = f"{count} entries of more than {self._days} days"
                session.add(AuditEntry(action="audit.prune", detail=detail))
        if count:
            log.info("audit pruned", extra={"entries": count})
        return count
