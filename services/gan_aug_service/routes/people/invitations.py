"""Invitations: links by which several people get keys of their own; made, listed, followed and revoked."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from gan_aug_service.access import invitations
from gan_aug_service.access.authentication import Manager, Principal, client_address, too_many
from gan_aug_service.components import Components
from gan_aug_service.database.invitation_tables import Invitation
from gan_aug_service.database.tables import Key, now
from gan_aug_service.http.problems import Problem, not_found
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.people.invitations import FollowIn, InvitationIn, InvitationOut, NewInvitation
from gan_aug_service.openapi.schemas import KeyOut, NewKey, Page
from gan_aug_service.records.projects import named
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, paginate, public_address, versioned_router

router = versioned_router("invitations")
JOIN = "/join"
ENDED = "this invitation is not known, has ended, is used up or was revoked: ask who sent it for a new one"
EndKeys = Annotated[bool, Query(description="also revoke the keys that it gave")]


@router.post("/invitations", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 409, 413))
def make_invitation(
    body: InvitationIn, request: Request, principal: Manager, components: ComponentsDep
) -> NewInvitation:
    """Make a link that gives each of several people a key. The link is in this answer and nowhere else."""
    moment, project = now(), body.project or principal.project
    if not principal.can_see(project):
        raise Problem(HTTPStatus.FORBIDDEN, f"project: you manage {principal.project}, and not {project}")
    made = Invitation(
        name=body.name,
        role=body.role,
        project=project,
        uses=body.uses,
        used=0,
        expires=moment + timedelta(days=body.days),
        access_until=moment + timedelta(days=body.access_days) if body.access_days else None,
        key_id=principal.key_id,
    )
    with components.database.writing() as session:
        named(session, project)
        text = invitations.make_invitation(session, made)
        detail = f"{made.role} of {made.project} for {made.name}, {made.uses} times"
        principal.audit(session, "invitation.create", made.id, detail)
    link = f"{public_address(request)}{JOIN}?invitation={text}"
    return NewInvitation(**InvitationOut.model_validate(made).model_dump(), link=link)


@router.get("/invitations")
def list_invitations(
    principal: Manager, components: ComponentsDep, limit: Limit = 50, after: After = None
) -> Page[InvitationOut]:
    """Invitations of one's project, newest first, with how many people followed them; administrators see all."""
    query = select(Invitation)
    if not principal.sees_all:
        query = query.where(Invitation.project == principal.project)
    with components.database.reading() as session:
        return paginate(session, query, Invitation, limit, after, InvitationOut.model_validate)


@router.delete("/invitations/{id}", responses=problem_responses(404))
def revoke_invitation(id: Id, principal: Manager, components: ComponentsDep, keys: EndKeys = False) -> InvitationOut:
    """Revoke an invitation: nobody can follow its link any more. The keys that it gave stay, unless `keys` is true."""
    with components.database.writing() as session:
        found = find_invitation(session, principal, id)
        found.revoked = found.revoked or now()
        ended = invitations.end_keys(session, found) if keys else []
        principal.audit(session, "invitation.revoke", id, f"with {len(ended)} keys" if keys else None)
        for key_id in ended:
            principal.audit(session, "key.revoke", key_id, f"invited with {found.name}")
    components.key_cache.clear()
    return InvitationOut.model_validate(found)


@router.post("/invitations/follow", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 404, 409, 413))
def follow_invitation(body: FollowIn, request: Request, components: ComponentsDep) -> NewKey:
    """Follow an invitation, without a key: gives a key of one's own. Its text is in this answer and nowhere else."""
    key, text = follow(request, components, body.invitation.strip(), body.name)
    return NewKey(**KeyOut.of(key).model_dump(), key=text)


def find_invitation(session: Session, principal: Principal, invitation_id: str) -> Invitation:
    """The invitation of an id; raises Problem if there is none, or the principal may not see it."""
    found = session.get(Invitation, invitation_id)
    if found is None or not principal.can_see(found.project):
        raise not_found("invitation", invitation_id)
    return found


def look_up(request: Request, components: Components, text: str) -> Invitation:
    """The invitation of a link; raises Problem if it cannot be followed, after a while for who tries many."""
    with components.database.reading() as session:  # a guessed link must not take the lock of a writer
        found = invitations.find_invitation(session, text)
    if found is None:
        if wait := components.failure_limiter.take(client_address(request)):
            raise too_many(wait, "refused invitations from this address")
        raise Problem(HTTPStatus.NOT_FOUND, ENDED)
    return found


def follow(request: Request, components: Components, text: str, name: str) -> tuple[Key, str]:
    """The key that an invitation gives to somebody, and its text.

    Args:
        request: The request.
        components: The service's components.
        text: The invitation's text.
        name: What the person is called.

    Returns:
        The key, and its text.

    Raises:
        Problem: The invitation cannot be followed.
    """
    project = look_up(request, components, text).project
    with components.database.writing() as session:
        named(session, project)
        given = invitations.follow(session, text, name, client_address(request))
    if given is None:
        raise Problem(HTTPStatus.NOT_FOUND, ENDED)
    return given
