"""Keys: made, listed and revoked by administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from pydantic import ValidationError

from gan_aug.errors import ConfigError, RunConflict
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ID_PATTERN, Key, Role
from gan_aug_service.http.problems import not_found
from gan_aug_service.openapi.people.names import RULE
from gan_aug_service.openapi.schemas import KeyIn, NewKey
from gan_aug_service.routes.common import After, ComponentsDep, Id
from gan_aug_service.routes.people.keys import list_keys, make_key, revoke_key
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import AdminForm, CurrentAdmin, PageUser
from gan_aug_service.web.kit.rendering import render

router = page_router()
MESSAGES = {"missing": "is needed", "string_too_long": RULE, "value_error": RULE}
Made = Annotated[str, Query(pattern=f"{ID_PATTERN}|^$")]


@router.get("/keys")
def key_list(user: CurrentAdmin, components: ComponentsDep, after: After = None, made: Made = "") -> Response:
    """All keys, newest first, and the form that makes a key; the text of a new one is shown once."""
    shown = components.shown_once.take(user.principal.key_id, made) if made else None
    return _page(components, user, after=after, made=shown)


@router.post("/keys")
def make(form: AdminForm, components: ComponentsDep) -> Response:
    """Make a key and go on to the page that shows it once; if there is a fault, show the form as it was sent."""
    sent = {name: form.text(name) for name in ("name", "role", "project", "days")}
    try:
        body = KeyIn.model_validate({name: text for name, text in sent.items() if text})
    except ValidationError as error:
        faults = {str(fault["loc"][0]): MESSAGES.get(fault["type"], fault["msg"]) for fault in error.errors()}
        return _page(components, form.user, status=422, sent=sent, faults=faults)
    try:
        made = make_key(body, form.user.principal, components)
    except (ConfigError, RunConflict) as error:  # there is no such project, or it is archived
        return _page(components, form.user, status=422, sent=sent, faults={"project": str(error)})
    components.shown_once.put(form.user.principal.key_id, made.id, made)
    return redirect(f"/keys?made={made.id}")


@router.get("/keys/{id}/revoke")
def ask(id: Id, user: CurrentAdmin, components: ComponentsDep) -> Response:
    """Ask once before a key is revoked."""
    with components.database.reading() as session:
        key = session.get(Key, id)
    if key is None:
        raise not_found("key", id)
    return render("access/revoke-key.html", user, key=key)


@router.post("/keys/{id}/revoke")
def revoke(id: Id, form: AdminForm, components: ComponentsDep) -> Response:
    """Revoke a key."""
    revoke_key(id, form.user.principal, components)
    return redirect("/keys")


def _page(
    components: Components, user: PageUser, *, after: str | None = None, made: NewKey | None = None, status: int = 200,
    sent: dict[str, str] | None = None, faults: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    page = list_keys(user.principal, components, after=after)
    return render(
        "access/keys.html",
        user,
        status=status,
        page=page,
        made=made,
        provider=components.provider.settings.name if components.provider else "a provider",
        roles=list(Role),
        sent=sent or {"name": "", "role": "viewer", "project": "", "days": ""},
        faults=faults or {},
    )
