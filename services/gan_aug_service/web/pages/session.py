"""Signing in and out by a form, with the same keys and cookies as /v1/session."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from gan_aug_service.access import keys
from gan_aug_service.access.authentication import is_cross_site
from gan_aug_service.access.cookies import clear_cookie, read_cookie
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.schemas import SignIn
from gan_aug_service.routes import session as session_routes
from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.web.kit.page_route import SIGN_IN, local_path, page_router, redirect
from gan_aug_service.web.kit.page_user import ViewerForm, read_form_fields
from gan_aug_service.web.kit.rendering import render

router = page_router()
Fields = Annotated[dict[str, list[str]], Depends(read_form_fields)]
KEY_LENGTH = 200


@router.get(SIGN_IN)
def sign_in_page(next: str = "/") -> Response:
    """The form that asks for a key, and then goes on to `next`."""
    return render("access/sign-in.html", None, next=local_path(next), fault=None)


@router.post(SIGN_IN)
def sign_in(request: Request, components: ComponentsDep, fields: Fields) -> Response:
    """Sign the browser in, or show the form again with what is wrong."""
    if is_cross_site(request):
        raise Problem(HTTPStatus.FORBIDDEN, "this form was sent by another site: open the sign-in page here")
    text, target = (next(iter(fields.get(name, [])), "") for name in ("key", "next"))
    answer = redirect(local_path(target))
    try:
        session_routes.sign_in(SignIn(key=text[:KEY_LENGTH]), request, answer, components)
    except Problem as problem:
        known = problem.status_code == HTTPStatus.UNAUTHORIZED
        fault = "This key is not known, expired or revoked." if known else f"{problem.detail.capitalize()}."
        headers = dict(problem.headers or {})
        return render(
            "access/sign-in.html",
            None,
            status=problem.status_code,
            headers=headers,
            next=local_path(target),
            fault=fault,
        )
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: ViewerForm, components: ComponentsDep) -> Response:
    """Sign the browser out: its cookie is worth nothing from now on."""
    with components.database.writing() as session:
        keys.sign_out(session, read_cookie(request))
        form.user.principal.audit(session, "session.delete")
    answer = redirect(SIGN_IN)
    clear_cookie(request, answer)
    return answer
