"""Signing a browser in: a key once, then a cookie that scripts cannot read and other sites cannot use."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from services import keys
from services.caller import COOKIE, Caller, Viewer, address_of, check_csrf, refuse
from services.database.tables import Role
from services.routes.common import Service, faults
from services.routes.common import router as new_router
from services.schemas import SessionOut, SignIn

router = new_router("session")


@router.post("/session", responses=faults(400, 413))
def sign_in(asked: SignIn, request: Request, response: Response, parts: Service) -> SessionOut:
    """Sign a browser in with a key; the answer sets a cookie and names the token for X-CSRF-Token."""
    address = address_of(request)
    with parts.database.writing() as session:
        key = keys.key_of(session, asked.key.strip())
        if key:
            token, _ = keys.sign_in(session, key)
            caller = Caller(key.id, key.name, Role(key.role), key.project, address)
            caller.audit(session, "session.create")
    if key is None:
        raise refuse(parts, address)
    response.set_cookie(
        COOKIE,
        token,
        max_age=keys.SESSION_HOURS * 3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=parts.settings.https or request.url.scheme == "https",
    )
    return SessionOut(name=key.name, role=Role(key.role), project=key.project, csrf_token=keys.csrf_token(token))


@router.get("/session")
def get_session(request: Request, caller: Viewer) -> SessionOut:
    """Who is signed in, and the token for X-CSRF-Token where that was by cookie."""
    cookie = request.cookies.get(COOKIE)
    by_header = "authorization" in request.headers
    token = keys.csrf_token(cookie) if cookie and not by_header else None
    return SessionOut(name=caller.name, role=caller.role, project=caller.project, csrf_token=token)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_out(request: Request, response: Response, caller: Viewer, parts: Service) -> None:
    """Sign the browser out: its cookie means nothing from now on."""
    cookie = request.cookies.get(COOKIE)
    if cookie:
        check_csrf(request, cookie)
        with parts.database.writing() as session:
            keys.sign_out(session, cookie)
            caller.audit(session, "session.delete")
    response.delete_cookie(COOKIE, path="/")
