"""The audit: who did what, when; for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime
from sqlalchemy import select

from gan_aug_service.access.authentication import Admin
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, first_id
from gan_aug_service.openapi.schemas import AuditOut, Page
from gan_aug_service.routes.common import After, ComponentsDep, Limit, paginate, versioned_router

router = versioned_router("audit")
TARGET = r"^[\x21-\x7e]{1,200}$"
OfKey = Annotated[str | None, Query(pattern=ID_PATTERN, description="entries of this key")]
OfTarget = Annotated[
    str | None,
    Query(pattern=TARGET, description="entries about the run, job, upload or key of this id"),
]
Since = Annotated[AwareDatetime | None, Query(description="entries from this time on, 2026-11-21T00:00Z")]


@router.get("/audit")
def list_audit(
    principal: Admin,
    components: ComponentsDep,
    key: OfKey = None,
    target: OfTarget = None,
    since: Since = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[AuditOut]:
    """Who did what, when; newest first."""
    query = select(AuditEntry)
    if key:
        query = query.where(AuditEntry.key_id == key)
    if target:
        query = query.where(AuditEntry.target == target)
    if since:
        query = query.where(AuditEntry.id >= first_id(since))
    with components.database.reading() as session:
        return paginate(session, query, AuditEntry, limit, after, AuditOut.of)
