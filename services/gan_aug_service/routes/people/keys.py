"""API keys: made, listed and revoked by administrators."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from sqlalchemy import select

from gan_aug.errors import RunConflict
from gan_aug_service.access import keys
from gan_aug_service.access.authentication import Admin
from gan_aug_service.database.tables import Key, now
from gan_aug_service.http.problems import not_found
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import KeyIn, KeyOut, NewKey, Page
from gan_aug_service.records.projects import named
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, paginate, versioned_router

router = versioned_router("keys")


@router.post("/keys", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 409, 413))
def make_key(body: KeyIn, principal: Admin, components: ComponentsDep) -> NewKey:
    """Make a key of a project that is there. Its text is in this answer and nowhere else."""
    expires = now() + timedelta(days=body.days) if body.days else None
    with components.database.writing() as session:
        named(session, body.project)
        key, text = keys.make_key(session, body.name, body.role, body.project, expires)
        session.flush()
        principal.audit(session, "key.create", key.id, f"{body.role} of {body.project}")
        return NewKey(**KeyOut.of(key).model_dump(), key=text)


@router.get("/keys")
def list_keys(principal: Admin, components: ComponentsDep, limit: Limit = 50, after: After = None) -> Page[KeyOut]:
    """All keys, newest first, with their last use."""
    with components.database.reading() as session:
        return paginate(session, select(Key), Key, limit, after, KeyOut.of)


@router.delete("/keys/{id}", responses=problem_responses(404, 409))
def revoke_key(id: Id, principal: Admin, components: ComponentsDep) -> KeyOut:
    """Revoke a key: it, and browsers signed in with it, are refused from the next request on.

    The last usable key of an administrator cannot be revoked: nobody could make another key here.
    """
    with components.database.writing() as session:
        key = session.get(Key, id)
        if key is None:
            raise not_found("key", id)
        if keys.is_last_admin(session, key):
            raise RunConflict(f"the key {id} is the last one of an administrator: make another one first")
        key.revoked = key.revoked or now()
        principal.audit(session, "key.revoke", id)
    components.key_cache.clear()
    return KeyOut.of(key)
