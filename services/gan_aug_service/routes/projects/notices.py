"""Notices: what others did to what is one's own."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy import select, update

from gan_aug_service.access.authentication import Viewer
from gan_aug_service.database.sharing_tables import Notice
from gan_aug_service.database.tables import now
from gan_aug_service.openapi.projects import NoticeOut
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.routes.common import After, ComponentsDep, Limit, versioned_router

router = versioned_router("notices")


@router.get("/notices")
def list_notices(
    principal: Viewer, components: ComponentsDep, unread: bool = False, limit: Limit = 50, after: After = None
) -> Page[NoticeOut]:
    """Who stopped, removed or withdrew what is the key's own, newest first."""
    query = select(Notice).where(Notice.key_id == principal.key_id)
    if unread:
        query = query.where(Notice.read.is_(None))
    if after:
        query = query.where(Notice.id < after)
    with components.database.reading() as session:
        found = session.scalars(query.order_by(Notice.id.desc()).limit(limit + 1)).all()
    items = [NoticeOut.of(one) for one in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("/notices/read", status_code=HTTPStatus.NO_CONTENT)
def read_all(principal: Viewer, components: ComponentsDep) -> None:
    """Mark all of them as read."""
    mine = update(Notice).where(Notice.key_id == principal.key_id, Notice.read.is_(None))
    with components.database.writing() as session:
        session.execute(mine.values(read=now()))
