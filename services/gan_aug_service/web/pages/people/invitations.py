"""Invitations: made, listed and revoked by managers, and followed by whoever has the link."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from gan_aug.errors import ConfigError, RunConflict
from gan_aug_service.access import keys
from gan_aug_service.access.authentication import is_cross_site
from gan_aug_service.access.cookies import set_cookie
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ID_PATTERN, Key, Role
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.people.invitations import NOT_BY_LINK, InvitationIn
from gan_aug_service.openapi.people.names import RULE, checked_name
from gan_aug_service.routes.common import After, ComponentsDep, Id
from gan_aug_service.routes.people import invitations as routes
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentManager, CurrentViewer, ManagerForm, PageUser, read_form_fields
from gan_aug_service.web.kit.rendering import render

router = page_router()
MESSAGES = {"missing": "is needed", "string_too_long": RULE, "value_error": RULE}
DRAFT = {"name": "", "role": "viewer", "project": "", "uses": "30", "days": "7", "access_days": "90"}
WELCOME = "/welcome"
Fields = Annotated[dict[str, list[str]], Depends(read_form_fields)]
Made = Annotated[str, Query(pattern=f"{ID_PATTERN}|^$")]


@router.get("/invitations")
def list_page(user: CurrentManager, components: ComponentsDep, after: After = None, made: Made = "") -> Response:
    """All invitations, newest first, and the form that makes one; a new one's link is shown once."""
    shown = components.shown_once.take(user.principal.key_id, made) if made else None
    return _page(components, user, after=after, made=shown)


@router.post("/invitations")
def make(form: ManagerForm, request: Request, components: ComponentsDep) -> Response:
    """Make an invitation and go on to the page that shows its link; with a fault, show the form as it was sent."""
    sent = {name: form.text(name) for name in DRAFT}
    values: dict[str, Any] = {name: text for name, text in sent.items() if text}
    try:
        body = InvitationIn.model_validate(values | ({} if sent["access_days"] else {"access_days": None}))
    except ValidationError as error:
        faults = {str(fault["loc"][0]): MESSAGES.get(fault["type"], fault["msg"]) for fault in error.errors()}
        return _page(components, form.user, status=422, sent=sent, faults=faults)
    try:
        made = routes.make_invitation(body, request, form.user.principal, components)
    except (ConfigError, RunConflict) as error:  # there is no such project, or it is archived
        return _page(components, form.user, status=422, sent=sent, faults={"project": str(error)})
    components.shown_once.put(form.user.principal.key_id, made.id, made)
    return redirect(f"/invitations?made={made.id}")


@router.get("/invitations/{id}/revoke")
def ask(id: Id, user: CurrentManager, components: ComponentsDep) -> Response:
    """Ask once before an invitation is revoked."""
    with components.database.reading() as session:
        found = routes.find_invitation(session, user.principal, id)
    return render("access/revoke-invitation.html", user, invitation=found)


@router.post("/invitations/{id}/revoke")
def revoke(id: Id, form: ManagerForm, components: ComponentsDep) -> Response:
    """Revoke an invitation, and the keys that it gave if that was ticked."""
    routes.revoke_invitation(id, form.user.principal, components, keys=form.text("keys") == "yes")
    return redirect("/invitations")


@router.get(routes.JOIN)
def join_page(request: Request, components: ComponentsDep, invitation: str = "") -> Response:
    """What the link of an invitation opens: what it gives, and a field for one's name."""
    found = routes.look_up(request, components, invitation.strip())
    return render("access/join.html", None, invitation=found, text=invitation.strip(), name="", fault=None)


@router.post(routes.JOIN)
def join(request: Request, components: ComponentsDep, fields: Fields) -> Response:
    """Make the person's key, sign the browser in with it, and go on to the page that shows it."""
    if is_cross_site(request):
        raise Problem(403, "this form was sent by another site: open the invitation's link here")  # type: ignore[arg-type]
    text, name = (next(iter(fields.get(field, [])), "").strip() for field in ("invitation", "name"))
    found = routes.look_up(request, components, text)
    try:
        name = checked_name(name)
    except ValueError:
        return render("access/join.html", None, status=422, invitation=found, text=text, name=name, fault=RULE)
    key, key_text = routes.follow(request, components, text, name)
    with components.database.writing() as session:
        token = keys.sign_in(session, key)
    components.shown_once.put(key.id, key.id, key_text)
    answer = redirect(WELCOME)
    set_cookie(request, answer, token)
    return answer


@router.get(WELCOME)
def welcome(user: CurrentViewer, components: ComponentsDep) -> Response:
    """Who one is here, and one's new key, once."""
    with components.database.reading() as session:
        key = session.get_one(Key, user.principal.key_id)
    return render("access/welcome.html", user, key=key, text=components.shown_once.take(key.id, key.id))


def _page(
    components: Components, user: PageUser, *, after: str | None = None, made: Any = None, status: int = 200,
    sent: dict[str, str] | None = None, faults: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    return render(
        "access/invitations.html",
        user,
        status=status,
        page=routes.list_invitations(user.principal, components, after=after),
        made=made,
        roles=[role for role in Role if role not in NOT_BY_LINK],
        sent=sent or DRAFT,
        faults=faults or {},
    )
