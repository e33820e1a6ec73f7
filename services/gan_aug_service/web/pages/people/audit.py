"""The audit as a page: who did what, when; of one key, about one record, or from a day on."""

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
from gan_aug_service.routes.common import After, ComponentsDep
from gan_aug_service.routes.people.audit import TARGET, list_audit
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentAdmin
from gan_aug_service.web.kit.rendering import render

router = page_router()
OfKey = Annotated[str, Query(pattern=f"{ID_PATTERN}|^$")]
OfTarget = Annotated[str, Query(pattern=f"{TARGET}|^$")]


@router.get("/audit")
def audit(
    user: CurrentAdmin,
    components: ComponentsDep,
    key: OfKey = "",
    target: OfTarget = "",
    since: str = "",
    after: After = None,
) -> Response:
    """The newest entries, fifty a page; a form filters them by key, record or day."""
    sent = {"key": key, "target": target, "since": since}
    begin = _midnight(since) if since else None
    listed = list_audit(user.principal, components, key=key or None, target=target or None, since=begin, after=after)
    with components.database.reading() as session:
        names = {row.id: row.name for row in session.execute(select(Key.id, Key.name))}
    query = urlencode({name: text for name, text in sent.items() if text})
    path = f"/audit?{query}" if query else "/audit"
    return render("access/audit.html", user, page=listed, names=names, sent=sent, path=path, first=after is None)


def _midnight(day: str) -> datetime:
    """The beginning of a day in UTC; raises Problem if the text is no day."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        detail = f"since: {day[:40]!r} is no day: write it as 2026-11-21"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
