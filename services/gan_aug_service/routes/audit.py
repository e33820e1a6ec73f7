"""The audit: who asked what, when; for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime
from sqlalchemy import select

from gan_aug_service.access.caller import Admin
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, first_id
from gan_aug_service.routes.common import After, Limit, Service, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import AuditOut, Page

router = new_router("audit")
TARGET = r"^[\x21-\x7e]{1,200}$"
OfKey = Annotated[str | None, Query(pattern=ID_PATTERN, description="what this key asked")]
OfTarget = Annotated[
    str | None,
    Query(pattern=TARGET, description="what was done with this run, job, upload or key, by its id"),
]
Since = Annotated[AwareDatetime | None, Query(description="what was asked from then on, 2026-11-21T00:00Z")]


@router.get("/audit")
def list_audit(
    caller: Admin,
    parts: Service,
    key: OfKey = None,
    target: OfTarget = None,
    since: Since = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[AuditOut]:
    """Who asked what, when; newest first."""
    query = select(AuditEntry)
    if key:
        query = query.where(AuditEntry.key_id == key)
    if target:
        query = query.where(AuditEntry.target == target)
    if since:
        query = query.where(AuditEntry.id >= first_id(since))
    with parts.database.reading() as session:
        return page(session, query, AuditEntry, limit, after, AuditOut.of)
