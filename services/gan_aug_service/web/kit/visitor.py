"""Who looks at a page, and what a form of a page sent: no form is read without its CSRF token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.caller import Caller, allowed, caller_of
from gan_aug_service.access.cookies import cookie_of
from gan_aug_service.access.keys import csrf_token
from gan_aug_service.database.tables import Role

TOKEN_FIELD = "csrf_token"  # noqa: S105 - a field's name
FIELDS = 500


@dataclass(frozen=True)
class Visitor:
    """A caller who looks at pages, and the token that the forms on them carry."""

    caller: Caller
    csrf: str

    def may(self, role: Role) -> bool:
        """Whether the visitor's key may do what `role` may: what it may not is not offered."""
        return self.caller.may(role)


@dataclass(frozen=True)
class Form:
    """What a visitor sent from one of our pages: each field's values."""

    visitor: Visitor
    fields: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The first value of a field without the spaces around it; empty where it was not sent."""
        return next(iter(self.fields.get(name, [])), "").strip()


def visitor_of(request: Request, role: Role = Role.VIEWER, sent: str | None = None) -> Visitor:
    """The visitor of a request; raises Problem without a key of at least `role`, or a form without its token.

    It is kept with the request, so that the page of a problem can be the visitor's too.
    """
    caller = caller_of(request, sent)
    cookie = cookie_of(request)
    visitor = Visitor(caller, csrf_token(cookie) if cookie else "")
    request.state.visitor = visitor
    allowed(caller, role)
    return visitor


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form, without files; raises HTTPException where there are too many."""
    async with request.form(max_files=0, max_fields=FIELDS) as form:
        sent: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                sent.setdefault(name, []).append(value)
        return sent


def _reader(role: Role) -> Any:
    def look(request: Request) -> Visitor:
        return visitor_of(request, role)

    return Depends(look)


def _form(role: Role) -> Any:
    async def read(request: Request) -> Form:
        fields = await fields_of(request)
        token = next(iter(fields.pop(TOKEN_FIELD, [])), "")
        return Form(await run_in_threadpool(visitor_of, request, role, token), fields)

    return Depends(read)


Reader = Annotated[Visitor, _reader(Role.VIEWER)]
EditorReader = Annotated[Visitor, _reader(Role.EDITOR)]
AdminReader = Annotated[Visitor, _reader(Role.ADMIN)]
ViewerForm = Annotated[Form, _form(Role.VIEWER)]
EditorForm = Annotated[Form, _form(Role.EDITOR)]
AdminForm = Annotated[Form, _form(Role.ADMIN)]
