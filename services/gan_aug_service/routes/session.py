"""Signing a browser in: a key once, then a cookie that scripts cannot read and other sites cannot use."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from gan_aug_service.access import keys
from gan_aug_service.access.caller import Viewer, address_of, admitted, check_csrf, refuse
from gan_aug_service.access.cookies import cookie_name, cookie_of, forget_cookie, over_https
from gan_aug_service.database.tables import Role
from gan_aug_service.routes.common import Service, faults
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import SessionOut, SignIn

router = new_router("session")


@router.post("/session", responses=faults(400, 413))
def sign_in(asked: SignIn, request: Request, response: Response, parts: Service) -> SessionOut:
    """Sign a browser in with a key; the answer sets a cookie and names the token for X-CSRF-Token."""
    text = asked.key.strip()
    with parts.database.reading() as session:
        known = keys.key_of(session, text)  # a guess is not worth the lock of a writer
    if known is None:
        raise refuse(parts, address_of(request))
    caller = admitted(request, parts, known)
    with parts.database.writing() as session:
        key = keys.key_of(session, text)  # it may have been revoked since
        if key:
            token = keys.sign_in(session, key)
            caller.audit(session, "session.create")
    if key is None:
        raise refuse(parts, address_of(request))
    secure = over_https(request)
    # No age: it ends with the browser, and at the latest when the session does.
    response.set_cookie(cookie_name(request), token, path="/", httponly=True, samesite="strict", secure=secure)
    return SessionOut(name=key.name, role=Role(key.role), project=key.project, csrf_token=keys.csrf_token(token))


@router.get("/session")
def get_session(request: Request, caller: Viewer) -> SessionOut:
    """Who is signed in, and the token for X-CSRF-Token where that was by cookie."""
    cookie = cookie_of(request)
    by_header = "authorization" in request.headers
    token = keys.csrf_token(cookie) if cookie and not by_header else None
    return SessionOut(name=caller.name, role=caller.role, project=caller.project, csrf_token=token)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_out(request: Request, response: Response, caller: Viewer, parts: Service) -> None:
    """Sign the browser out: its cookie means nothing from now on."""
    cookie = cookie_of(request)
    if cookie:
        check_csrf(request, cookie)
        with parts.database.writing() as session:
            keys.sign_out(session, cookie)
            caller.audit(session, "session.delete")
    forget_cookie(request, response)
