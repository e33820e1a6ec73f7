"""The audit as a page: who did what, when; of one key or project, about one record, of a kind, or of some days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from fastapi.responses import Response
from sqlalchemy import select

from gan_aug_service.database.sharing_tables import Project
from gan_aug_service.database.tables import ID_PATTERN, Key
from gan_aug_service.http.problems import Problem
from gan_aug_service.routes.common import After, ComponentsDep
from gan_aug_service.routes.people.audit import TARGET, entries, list_audit
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentAdmin
from gan_aug_service.web.kit.rendering import render

router = page_router()
OfKey = Annotated[str, Query(pattern=f"{ID_PATTERN}|^$")]
OfTarget = Annotated[str, Query(pattern=f"{TARGET}|^$")]
OfProject = Annotated[str, Query(max_length=64)]
OfAction = Annotated[str, Query(pattern=r"^([a-z]+(\.[a-z]+)?)?$", max_length=64)]
ACTIONS = {
    "session": "signing in and out", "session.refuse": "refused sign-ins", "key": "keys", "invitation": "invitations",
    "project": "projects", "job": "jobs", "run": "runs", "upload": "uploads", "report": "reports read",
    "synthetic": "synthetic sets", "model": "models",
}  # fmt: skip
"""What the page offers to show alone, by how the actions begin."""


@router.get("/audit")
def audit(
    user: CurrentAdmin,
    components: ComponentsDep,
    key: OfKey = "",
    target: OfTarget = "",
    project: OfProject = "",
    action: OfAction = "",
    since: str = "",
    until: str = "",
    after: After = None,
) -> Response:
    """The newest entries, fifty a page; a form filters them by key, record, project, kind or days."""
    sent = {"key": key, "target": target, "project": project, "action": action, "since": since, "until": until}
    begin = _midnight("since", since) if since else None
    end = _midnight("until", until) + timedelta(days=1) if until else None
    wanted = entries(key, target, project, action, begin, end)
    listed = list_audit(user.principal, components, wanted, after=after)
    with components.database.reading() as session:
        names = {row.id: row.name for row in session.execute(select(Key.id, Key.name))}
        projects = list(session.scalars(select(Project.name).order_by(Project.name)))
    query = {name: text for name, text in sent.items() if text}
    times = {"since": begin, "until": end}
    asked = query | {name: f"{when:%Y-%m-%dT%H:%M:%SZ}" for name, when in times.items() if when}
    return render(
        "access/audit.html",
        user,
        page=listed,
        names=names,
        projects=projects,
        actions=ACTIONS,
        sent=sent,
        path=f"/audit?{urlencode(query)}" if query else "/audit",
        download=f"/v1/audit.csv?{urlencode(asked)}" if asked else "/v1/audit.csv",
        first=after is None,
    )


def _midnight(field: str, day: str) -> datetime:
    """The beginning of a day in UTC; raises Problem if the text is no day."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        detail = f"{field}: {day[:40]!r} is no day: write it as 2026-11-21"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from None
