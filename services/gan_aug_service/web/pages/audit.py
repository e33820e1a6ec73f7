"""The audit as a page: who asked what, when; of one key, of one record, or from a day on."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from fastapi.responses import Response
from sqlalchemy import select

from gan_aug_service.database.tables import ID_PATTERN, Key
from gan_aug_service.http.problems import Problem
from gan_aug_service.routes.audit import TARGET, list_audit
from gan_aug_service.routes.common import After, Service
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import AdminReader

router = new_router()
OfKey = Annotated[str, Query(pattern=f"{ID_PATTERN}|^$")]
OfTarget = Annotated[str, Query(pattern=f"{TARGET}|^$")]


@router.get("/audit")
def audit(
    visitor: AdminReader, parts: Service, key: OfKey = "", target: OfTarget = "", since: str = "", after: After = None
) -> Response:
    """The newest entries, fifty a page; a form asks for those of a key, of a record, or from a day on."""
    sent = {"key": key, "target": target, "since": since}
    begin = _midnight(since) if since else None
    listed = list_audit(visitor.caller, parts, key=key or None, target=target or None, since=begin, after=after)
    with parts.database.reading() as session:
        names = {row.id: row.name for row in session.execute(select(Key.id, Key.name))}
    query = urlencode({name: text for name, text in sent.items() if text})
    path = f"/audit?{query}" if query else "/audit"
    return render("audit.html", visitor, page=listed, names=names, sent=sent, path=path, first=after is None)


def _midnight(day: str) -> datetime:
    """The beginning of a day in UTC; raises Problem for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        detail = f"since: {day[:40]!r} is no day: write it as 2026-11-21"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
