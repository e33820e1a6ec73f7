"""API keys, and who asked what: for administrators."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from sqlalchemy import select

from services import keys
from services.caller import Admin
from services.database.tables import AuditEntry, Key, now
from services.problems import not_found
from services.routes.common import After, Id, Limit, Service, faults, page
from services.routes.common import router as new_router
from services.schemas import AuditOut, KeyIn, KeyOut, NewKey, Page

router = new_router("keys")


@router.post("/keys", status_code=HTTPStatus.CREATED, responses=faults(400, 413))
def make_key(asked: KeyIn, caller: Admin, parts: Service) -> NewKey:
    """Make a key; its text is in this answer and nowhere else."""
    expires = now() + timedelta(days=asked.days) if asked.days else None
    with parts.database.writing() as session:
        key, text = keys.make_key(session, asked.name, asked.role, asked.project, expires)
        session.flush()
        caller.audit(session, "key.create", key.id, f"{asked.role} of {asked.project}")
        return NewKey(**KeyOut.of(key).model_dump(), key=text)


@router.get("/keys")
def list_keys(caller: Admin, parts: Service, limit: Limit = 50, after: After = None) -> Page[KeyOut]:
    """All keys, newest first, with their last use."""
    with parts.database.reading() as session:
        return page(session, select(Key), Key, limit, after, KeyOut.of)


@router.delete("/keys/{id}", responses=faults(404))
def revoke_key(id: Id, caller: Admin, parts: Service) -> KeyOut:  # noqa: A002 - the path's word
    """Revoke a key: it and the browsers signed in with it are refused from the next request on."""
    with parts.database.writing() as session:
        key = session.get(Key, id)
        if key is None:
            raise not_found("key", id)
        key.revoked = key.revoked or now()
        caller.audit(session, "key.revoke", id)
    parts.known_keys.forget()
    return KeyOut.of(key)


@router.get("/audit")
def list_audit(caller: Admin, parts: Service, limit: Limit = 50, after: After = None) -> Page[AuditOut]:
    """Who asked what, when; newest first."""
    with parts.database.reading() as session:
        return page(session, select(AuditEntry), AuditEntry, limit, after, AuditOut.of)
