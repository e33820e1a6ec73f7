"""Browser sessions: signing in with a key gives a cookie that scripts cannot read and other sites cannot use."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from gan_aug_service.access import keys
from gan_aug_service.access.authentication import Viewer, admit, check_csrf, client_address, reject_key
from gan_aug_service.access.cookies import clear_cookie, read_cookie, set_cookie
from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import SessionOut, SignIn
from gan_aug_service.routes.common import ComponentsDep, versioned_router

router = versioned_router("session")


@router.post("/session", responses=problem_responses(400, 413))
def sign_in(body: SignIn, request: Request, response: Response, components: ComponentsDep) -> SessionOut:
    """Sign a browser in with a key. The answer sets a cookie, and holds the token for X-CSRF-Token."""
    text = body.key.strip()
    with components.database.reading() as session:
        known = keys.find_key(session, text)  # a guessed key must not take the lock of a writer
    if known is None:
        raise reject_key(components, client_address(request))
    principal = admit(request, components, known)
    with components.database.writing() as session:
        key = keys.find_key(session, text)  # it may have been revoked since
        if key:
            token = keys.sign_in(session, key)
            principal.audit(session, "session.create")
    if key is None:
        raise reject_key(components, client_address(request))
    set_cookie(request, response, token)
    return SessionOut(name=key.name, role=Role(key.role), project=key.project, csrf_token=keys.csrf_token(token))


@router.get("/session")
def get_session(request: Request, principal: Viewer) -> SessionOut:
    """Who is signed in, and the token for X-CSRF-Token if that was by cookie."""
    cookie = read_cookie(request)
    by_header = "authorization" in request.headers
    token = keys.csrf_token(cookie) if cookie and not by_header else None
    return SessionOut(name=principal.name, role=principal.role, project=principal.project, csrf_token=token)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_out(request: Request, response: Response, principal: Viewer, components: ComponentsDep) -> None:
    """Sign the browser out: its cookie is worth nothing from now on."""
    cookie = read_cookie(request)
    if cookie:
        check_csrf(request, cookie)
        with components.database.writing() as session:
            keys.sign_out(session, cookie)
            principal.audit(session, "session.delete")
    clear_cookie(request, response)
