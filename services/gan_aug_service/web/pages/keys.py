"""Keys: made, listed and revoked by administrators."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response
from pydantic import ValidationError

from gan_aug_service.database.tables import Role
from gan_aug_service.parts import Parts
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.keys import list_keys, make_key, revoke_key
from gan_aug_service.schemas import KeyIn, NewKey
from gan_aug_service.web.kit.page_route import go
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import AdminForm, AdminReader, Visitor

router = new_router()
MESSAGES = {
    "missing": "is needed",
    "string_pattern_mismatch": "use up to 64 letters, digits, spaces and . _ @ -, and begin with a letter or digit",
}


@router.get("/keys")
def key_list(visitor: AdminReader, parts: Service, after: After = None) -> Response:
    """All keys, newest first, and the form that makes one."""
    return _page(parts, visitor, after=after)


@router.post("/keys")
def make(form: AdminForm, parts: Service) -> Response:
    """Make a key and show it this once; with a fault, show the form as it was sent."""
    sent = {name: form.text(name) for name in ("name", "role", "project", "days")}
    try:
        asked = KeyIn.model_validate({name: text for name, text in sent.items() if text})
    except ValidationError as error:
        faults = {str(fault["loc"][0]): MESSAGES.get(fault["type"], fault["msg"]) for fault in error.errors()}
        return _page(parts, form.visitor, status=422, sent=sent, faults=faults)
    return _page(parts, form.visitor, status=201, made=make_key(asked, form.visitor.caller, parts))


@router.post("/keys/{id}/revoke")
def revoke(id: Id, form: AdminForm, parts: Service) -> Response:  # noqa: A002 - the path's word
    """Revoke a key."""
    revoke_key(id, form.visitor.caller, parts)
    return go("/keys")


def _page(
    parts: Parts, visitor: Visitor, *, after: str | None = None, made: NewKey | None = None, status: int = 200,
    sent: dict[str, str] | None = None, faults: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    page = list_keys(visitor.caller, parts, after=after)
    return render(
        "keys.html",
        visitor,
        status=status,
        page=page,
        made=made,
        roles=list(Role),
        sent=sent or {"name": "", "role": "viewer", "project": "", "days": ""},
        faults=faults or {},
    )
