"""API keys: for administrators."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from sqlalchemy import select

from gan_aug.errors import RunConflict
from gan_aug_service.access import keys
from gan_aug_service.access.caller import Admin
from gan_aug_service.database.tables import Key, now
from gan_aug_service.http.problems import not_found
from gan_aug_service.routes.common import After, Id, Limit, Service, faults, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import KeyIn, KeyOut, NewKey, Page

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


@router.delete("/keys/{id}", responses=faults(404, 409))
def revoke_key(id: Id, caller: Admin, parts: Service) -> KeyOut:  # noqa: A002 - the path's word
    """Revoke a key: it and the browsers signed in with it are refused from the next request on.

    The last administrator's key that can be used stays: nobody could make another one from here.
    """
    with parts.database.writing() as session:
        key = session.get(Key, id)
        if key is None:
            raise not_found("key", id)
        if keys.last_admin(session, key):
            raise RunConflict(f"the key {id} is the last one of an administrator: make another one first")
        key.revoked = key.revoked or now()
        caller.audit(session, "key.revoke", id)
    parts.known_keys.forget()
    return KeyOut.of(key)
