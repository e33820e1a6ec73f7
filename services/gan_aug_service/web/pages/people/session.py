"""Signing in and out by a form, with the same keys and cookies as /v1/session."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from gan_aug_service.access import keys
from gan_aug_service.access.authentication import is_cross_site
from gan_aug_service.access.cookies import clear_cookie, read_cookie
from gan_aug_service.database.tables import Key
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.schemas import SignIn
from gan_aug_service.routes.common import ComponentsDep, public_address
from gan_aug_service.routes.people import session as session_routes
from gan_aug_service.web.kit.page_route import KEPT, SIGN_IN, local_path, page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentViewer, ViewerForm, read_form_fields
from gan_aug_service.web.kit.rendering import render

router = page_router()
Fields = Annotated[dict[str, list[str]], Depends(read_form_fields)]
KEY_LENGTH = 200
SIGNED_OUT = "/signed-out"


@router.get(SIGN_IN)
def sign_in_page(components: ComponentsDep, next: str = "/") -> Response:
    """The form that asks for a key, and the way to the provider if there is one; both then go on to `next`."""
    provider = components.settings.provider
    return render("access/sign-in.html", None, next=local_path(next), fault=None, provider=provider)


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
            provider=components.settings.provider,
        )
    return answer


@router.get(KEPT + "/{name}")
def kept_form(name: str, user: CurrentViewer, components: ComponentsDep) -> Response:
    """A form that was sent after its session had ended: its sender is signed in again, and may send it now."""
    path, fields = components.kept_forms.look(KEPT, name) or ("", {})
    return render("shared/kept-form.html", user, path=path, fields=fields)


@router.post("/sign-out")
def sign_out(request: Request, form: ViewerForm, components: ComponentsDep) -> Response:
    """Sign the browser out: its cookie is worth nothing from now on."""
    with components.database.writing() as session:
        keys.sign_out(session, read_cookie(request))
        form.user.principal.audit(session, "session.delete")
        person = session.get_one(Key, form.user.principal.key_id).identity is not None
    answer = redirect(SIGNED_OUT if person and components.provider else SIGN_IN)
    clear_cookie(request, answer)
    return answer


@router.get(SIGNED_OUT)
def signed_out(request: Request, components: ComponentsDep) -> Response:
    """What is said after signing out of this service: the provider may still know the browser."""
    provider = components.provider
    if provider is None:
        return redirect(SIGN_IN)
    elsewhere = provider.end_session_url(public_address(request) + SIGN_IN)
    return render("access/signed-out.html", None, name=provider.settings.name, elsewhere=elsewhere)
