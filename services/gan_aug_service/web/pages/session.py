"""Signing in and out: the same keys and cookies as /v1/session, by a form."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from gan_aug_service.access import keys
from gan_aug_service.access.caller import foreign
from gan_aug_service.access.cookies import cookie_of, forget_cookie
from gan_aug_service.http.problems import Problem
from gan_aug_service.routes.common import Service
from gan_aug_service.routes.session import sign_in as open_session
from gan_aug_service.schemas import SignIn
from gan_aug_service.web.kit.page_route import SIGN_IN, go, own_path
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import ViewerForm, fields_of

router = new_router()
Fields = Annotated[dict[str, list[str]], Depends(fields_of)]
KEY_LENGTH = 200


@router.get(SIGN_IN)
def sign_in_page(next: str = "/") -> Response:  # noqa: A002 - the query's word
    """The form that asks for a key, and goes on to `next`."""
    return render("sign-in.html", None, next=own_path(next), fault=None)


@router.post(SIGN_IN)
def sign_in(request: Request, parts: Service, fields: Fields) -> Response:
    """Sign the browser in, or show the form again with what was wrong."""
    if foreign(request):
        raise Problem(HTTPStatus.FORBIDDEN, "this form was sent by another site: open the sign-in page here")
    text, wanted = (next(iter(fields.get(name, [])), "") for name in ("key", "next"))
    answer = go(own_path(wanted))
    try:
        open_session(SignIn(key=text[:KEY_LENGTH]), request, answer, parts)
    except Problem as problem:
        known = problem.status_code == HTTPStatus.UNAUTHORIZED
        fault = "This key is not known, expired or revoked." if known else f"{problem.detail.capitalize()}."
        kept = dict(problem.headers or {})
        return render(
            "sign-in.html", None, status=problem.status_code, headers=kept, next=own_path(wanted), fault=fault
        )
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: ViewerForm, parts: Service) -> Response:
    """Sign the browser out: its cookie means nothing from now on."""
    with parts.database.writing() as session:
        keys.sign_out(session, cookie_of(request))
        form.visitor.caller.audit(session, "session.delete")
    answer = go(SIGN_IN)
    forget_cookie(request, answer)
    return answer
