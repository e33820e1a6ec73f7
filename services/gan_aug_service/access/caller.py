"""Who asks: the key of a request, from its header or a browser's cookie, and what that key may do."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from sqlalchemy import Select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.cookies import cookie_of
from gan_aug_service.access.keys import csrf_token, key_of, key_of_session, session_end, usable, used
from gan_aug_service.database.tables import AuditEntry, BrowserSession, Job, Key, Role, Run, Upload, now
from gan_aug_service.http.problems import Problem, database_reason
from gan_aug_service.parts import Parts, parts_of

CSRF_HEADER = "X-CSRF-Token"
ADDRESS_LENGTH = 64
SAFE = {"GET", "HEAD", "OPTIONS"}
ORDER = [Role.VIEWER, Role.EDITOR, Role.ADMIN]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """The key that asks, and from which address."""

    key_id: str
    name: str
    role: Role
    project: str
    address: str

    def may(self, role: Role) -> bool:
        """Whether this caller may do what `role` may."""
        return ORDER.index(self.role) >= ORDER.index(role)

    def sees(self, project: str) -> bool:
        """Whether records of `project` exist for this caller."""
        return self.role is Role.ADMIN or project == self.project

    def seen(self, query: Select[Any], table: type[Job | Run | Upload]) -> Select[Any]:
        """The query, kept to the records this caller may see."""
        return query if self.role is Role.ADMIN else query.where(table.project == self.project)

    def audit(self, session: Session, action: str, target: str | None = None, detail: str | None = None) -> None:
        """Write down what was asked, in the session that does it: both are kept, or neither."""
        session.add(
            AuditEntry(
                key_id=self.key_id,
                project=self.project,
                action=action,
                target=target,
                detail=detail,
                address=self.address,
            )
        )


def address_of(request: Request) -> str:
    """The address that a request came from; a proxy may say anything of it, at any length."""
    return request.client.host[:ADDRESS_LENGTH] if request.client else "unknown"


def refuse(parts: Parts, address: str) -> Problem:
    """The Problem of a key that is not valid; an address that sends many has to wait."""
    log.warning("refused", extra={"address": address})
    if wait := parts.failures.take(address):
        return _too_many(wait, "refused keys from this address")
    return _unknown("its key is not known, expired or revoked")


def caller_of(request: Request, sent: str | None = None) -> Caller:
    """The caller of a request; raises Problem without a valid key, or where a cookie comes without its CSRF token.

    `sent` is that token where a form carries it.
    """
    parts = parts_of(request)
    bearer, cookie = _bearer(request), cookie_of(request)
    moment = parts.known_keys.moment()
    if bearer is None and not cookie:
        raise _unknown("it has no key")
    with parts.database.reading() as session:
        key, browser = _sent(session, bearer, cookie)
    if key is None:
        raise refuse(parts, address_of(request))
    if bearer is None and cookie and request.method not in SAFE:
        check_csrf(request, cookie, sent)
    caller = admitted(request, parts, key)
    _record_use(parts, key, browser)
    if bearer is not None:
        parts.known_keys.add(bearer, key, moment)
    return caller


def holds(request: Request) -> bool:
    """Whether the key or the session that a request came with is still one: asked anew while an answer goes on."""
    with parts_of(request).database.reading() as session:
        return _sent(session, _bearer(request), cookie_of(request))[0] is not None


def _sent(session: Session, bearer: str | None, cookie: str | None) -> tuple[Key | None, BrowserSession | None]:
    """The valid key that came with a request, in its header or by a browser's session, and that session, or None."""
    if bearer is not None:
        return key_of(session, bearer), None
    return (key_of_session(session, cookie) if cookie else None) or (None, None)


async def _caller_of(request: Request) -> Caller:
    """The same, at once where the key in the header was seen a moment ago."""
    parts, bearer = parts_of(request), _bearer(request)
    key = parts.known_keys.get(bearer) if bearer else None
    if key is None or not usable(key) or used(key):
        return await run_in_threadpool(caller_of, request)
    return admitted(request, parts, key)


def _bearer(request: Request) -> str | None:
    """The key in the header of a request."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def admitted(request: Request, parts: Parts, key: Key) -> Caller:
    """The caller that a valid key makes; raises Problem where it asks too often."""
    if wait := parts.rates.take(key.id):
        raise _too_many(wait, "requests with this key")
    request.state.key_id = key.id
    return Caller(key.id, key.name, Role(key.role), key.project, address_of(request))


def allowed(caller: Caller, role: Role) -> Caller:
    """The caller, where its key may do what `role` may; raises Problem where not."""
    if not caller.may(role):
        raise Problem(HTTPStatus.FORBIDDEN, f"a key with the role {caller.role} may not do this: use one of {role}")
    return caller


def foreign(request: Request) -> bool:
    """Whether a browser says that a page of another site sent this request.

    What it says of that itself holds behind any proxy; the host that a proxy sends on may be its own.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def check_csrf(request: Request, cookie: str, sent: str | None = None) -> None:
    """Raise Problem where a request that alters something was not sent by a page of ours.

    The token comes in the header X-CSRF-Token, or as `sent` where a form carries it.
    """
    token = sent or request.headers.get(CSRF_HEADER, "")
    if foreign(request) or not hmac.compare_digest(token.encode(), csrf_token(cookie).encode()):
        if sent is not None:
            detail = "this form is of another session or another site: load its page anew and send it again"
        else:
            detail = (
                f"a request signed in by cookie must carry the session's token in {CSRF_HEADER}: see GET /v1/session"
            )
        raise Problem(HTTPStatus.FORBIDDEN, detail)


def _record_use(parts: Parts, key: Key, browser: BrowserSession | None) -> None:
    """Write down that a key and a browser's session were used, where that can be: reading must not end with writing."""
    moment, end = now() if used(key) else None, browser and session_end(browser)
    if moment is None and end is None:
        return
    try:
        with parts.database.writing() as session:
            if moment:
                session.execute(update(Key).where(Key.id == key.id).values(last_used=moment))
            if browser and end:
                same = BrowserSession.token_sha256 == browser.token_sha256
                session.execute(update(BrowserSession).where(same).values(expires=end))
    except SQLAlchemyError as error:
        log.warning("use of a key not recorded", extra={"reason": database_reason(error)})
    key.last_used = moment or key.last_used


def _unknown(reason: str) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        f"this request is refused since {reason}: send the header `Authorization: Bearer KEY`",
        {"WWW-Authenticate": "Bearer"},
    )


def _too_many(seconds: int, what: str) -> Problem:
    detail = f"there are too many {what}: try again in {seconds} s"
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(seconds)})


def _at_least(role: Role) -> Any:
    async def check(request: Request) -> Caller:
        return allowed(await _caller_of(request), role)

    return Depends(check)


Viewer = Annotated[Caller, _at_least(Role.VIEWER)]
Editor = Annotated[Caller, _at_least(Role.EDITOR)]
Admin = Annotated[Caller, _at_least(Role.ADMIN)]
