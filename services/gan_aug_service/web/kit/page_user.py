"""The signed-in user of a page, and the forms that pages send: none is accepted without its CSRF token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.authentication import Principal, authenticate, require_role
from gan_aug_service.access.cookies import read_cookie
from gan_aug_service.access.keys import csrf_token
from gan_aug_service.components import components_of
from gan_aug_service.database.tables import Role
from gan_aug_service.records import ownership, projects

TOKEN_FIELD = "csrf_token"  # noqa: S105 - a field's name
MAX_FIELDS = 500


@dataclass(frozen=True)
class PageUser:
    """The principal who looks at a page, and the CSRF token that the page's forms carry."""

    principal: Principal
    csrf_token: str
    project: str
    """The title of the user's project."""
    notices: int
    """Notices that the user has not read."""

    def has_role(self, role: Role) -> bool:
        """Whether the user's key allows what `role` allows; a page offers nothing else."""
        return self.principal.has_role(role)


@dataclass(frozen=True)
class Form:
    """A form that a user sent from a page: the values of each field."""

    user: PageUser
    fields: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The first value of a field without the spaces around it; empty if it was not sent."""
        return next(iter(self.fields.get(name, [])), "").strip()


def authenticate_page(request: Request, *roles: Role, form_token: str | None = None) -> PageUser:
    """The user of a request for a page.

    The user is also stored in the request's state, for the page of a problem.

    Args:
        request: The request.
        *roles: The user's key must allow what one of these allows; none: what a viewer may.
        form_token: The CSRF token of a form.

    Returns:
        The user.

    Raises:
        Problem: The request has no such key, or a form has no valid token.
    """
    principal = authenticate(request, form_token)
    cookie = read_cookie(request)
    with components_of(request).database.reading() as session:
        project = projects.title_of(session, principal.project)
        notices = ownership.count_unread(session, principal)
    user = PageUser(principal, csrf_token(cookie) if cookie else "", project, notices)
    request.state.user = user
    require_role(principal, *(roles or (Role.VIEWER,)))
    return user


async def read_form_fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form, without files; raises HTTPException if there are too many."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        sent: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                sent.setdefault(name, []).append(value)
        return sent


def _user(*roles: Role) -> Any:
    def read(request: Request) -> PageUser:
        return authenticate_page(request, *roles)

    return Depends(read)


def _form(role: Role) -> Any:
    async def read(request: Request) -> Form:
        fields = await read_form_fields(request)
        token = next(iter(fields.pop(TOKEN_FIELD, [])), "")
        request.state.sent_form = (token, fields)  # if the session has ended, page_route.py keeps it
        return Form(await run_in_threadpool(partial(authenticate_page, request, role, form_token=token)), fields)

    return Depends(read)


CurrentViewer = Annotated[PageUser, _user(Role.VIEWER)]
CurrentEditor = Annotated[PageUser, _user(Role.EDITOR)]
CurrentSeesRealImages = Annotated[PageUser, _user(Role.EDITOR, Role.RELEASER)]
CurrentManager = Annotated[PageUser, _user(Role.MANAGER)]
CurrentAdmin = Annotated[PageUser, _user(Role.ADMIN)]
ViewerForm = Annotated[Form, _form(Role.VIEWER)]
EditorForm = Annotated[Form, _form(Role.EDITOR)]
ManagerForm = Annotated[Form, _form(Role.MANAGER)]
AdminForm = Annotated[Form, _form(Role.ADMIN)]
