"""The audit: who did what, when; for administrators."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy import Select, or_, select

from gan_aug.evaluation.outcome.files import safe_cell
from gan_aug_service.access.authentication import Admin
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, Key, first_id
from gan_aug_service.openapi.schemas import AuditOut, Page
from gan_aug_service.routes.common import After, ComponentsDep, Limit, paginate, versioned_router

router = versioned_router("audit")
TARGET = r"^[\x21-\x7e]{1,200}$"
OfKey = Annotated[str | None, Query(pattern=ID_PATTERN, description="entries of this key")]
OfTarget = Annotated[
    str | None,
    Query(pattern=TARGET, description="entries about the run, job, upload or key of this id"),
]
OfProject = Annotated[str | None, Query(min_length=1, max_length=64, description="entries of this project's keys")]
OfAction = Annotated[
    str | None,
    Query(pattern=r"^[a-z]+(\.[a-z]+)?$", max_length=64, description="`session.refuse`, or all of `session`"),
]
Since = Annotated[AwareDatetime | None, Query(description="entries from this time on, 2026-11-21T00:00Z")]
Until = Annotated[AwareDatetime | None, Query(description="entries before this time, 2026-11-22T00:00Z")]
COLUMNS = ("time", "key_id", "name", "project", "action", "target", "detail", "address")
CSV_EXAMPLE = (
    "time,key_id,name,project,action,target,detail,address\r\n"
    "2026-11-21T12:00:00+00:00,019aa5a0b1c2d3e4f5061728,reader,default,session.create,,,192.0.2.7\r\n"
)
CSV_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {"text/csv": {"example": CSV_EXAMPLE}}}
}
CHUNK = 1000
"""Entries that are read at a time for a CSV file."""


def entries(
    key: OfKey = None,
    target: OfTarget = None,
    project: OfProject = None,
    action: OfAction = None,
    since: Since = None,
    until: Until = None,
) -> Select[AuditEntry]:
    """The entries that a request asks for."""
    query = select(AuditEntry)
    for column, value in ((AuditEntry.key_id, key), (AuditEntry.target, target), (AuditEntry.project, project)):
        if value:
            query = query.where(column == value)
    if action:
        of_kind = AuditEntry.action.startswith(f"{action}.", autoescape=True)
        query = query.where(or_(AuditEntry.action == action, of_kind))
    if since:
        query = query.where(AuditEntry.id >= first_id(since))
    if until:
        query = query.where(AuditEntry.id < first_id(until))
    return query


Wanted = Annotated[Select[AuditEntry], Depends(entries)]


@router.get("/audit")
def list_audit(
    principal: Admin, components: ComponentsDep, wanted: Wanted, limit: Limit = 50, after: After = None
) -> Page[AuditOut]:
    """Who did what, when; newest first."""
    with components.database.reading() as session:
        return paginate(session, wanted, AuditEntry, limit, after, AuditOut.of)


@router.get(
    "/audit.csv",
    response_class=StreamingResponse,
    responses={200: {"description": "the file", "content": {"text/csv": {"example": CSV_EXAMPLE}}}},
)
def download_audit(principal: Admin, components: ComponentsDep, wanted: Wanted) -> StreamingResponse:
    """All entries that a request asks for as CSV, newest first, with the names of the keys."""
    with components.database.writing() as session:
        principal.audit(session, "audit.download")
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_rows(components, wanted), headers=headers, media_type="text/csv")


def _rows(components: Components, wanted: Select[AuditEntry]) -> Iterator[str]:
    with components.database.reading() as session:
        names = {row.id: row.name for row in session.execute(select(Key.id, Key.name))}
    yield _line(COLUMNS)
    query, last = wanted.order_by(AuditEntry.id.desc()).limit(CHUNK), None
    while True:
        with components.database.reading() as session:
            entries = session.scalars(query.where(AuditEntry.id < last) if last else query).all()
        for entry in entries:
            name = names.get(entry.key_id or "", "")
            values = [getattr(entry, column) for column in COLUMNS if column not in ("time", "name")]
            yield _line([entry.time.isoformat(timespec="seconds"), values[0], name, *values[1:]])
        if len(entries) < CHUNK:
            return
        last = entries[-1].id


def _line(values: Iterable[str | None]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(value or "") for value in values])
    return out.getvalue()
