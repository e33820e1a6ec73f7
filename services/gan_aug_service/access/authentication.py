"""Authentication: which key a request came with, in its header or a browser's cookie, and what that key allows."""

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

from gan_aug_service.access.cookies import read_cookie
from gan_aug_service.access.keys import (
    csrf_token,
    extended_expiry,
    find_key,
    find_session_key,
    is_usable,
    last_use_is_stale,
)
from gan_aug_service.components import Components, components_of
from gan_aug_service.database.sharing_tables import Release
from gan_aug_service.database.tables import AuditEntry, BrowserSession, Job, Key, Role, Run, Upload, now
from gan_aug_service.http.problems import Problem, database_reason

CSRF_HEADER = "X-CSRF-Token"
ADDRESS_LENGTH = 64
"""Characters of a client's address that are recorded: a trusted proxy can send any text."""

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing: a cookie needs no CSRF token for them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Principal:
    """Who sends a request: a key, its role and project, and the client's address."""

    key_id: str
    name: str
    role: Role
    project: str
    address: str

    def has_role(self, role: Role) -> bool:
        """Whether this key allows what `role` allows."""
        return self.role.includes(role)

    @property
    def sees_real_images(self) -> bool:
        """Whether this key may look at real images: who makes sets of them, and who judges what is released."""
        return self.has_role(Role.EDITOR) or self.has_role(Role.RELEASER)

    def can_see(self, project: str) -> bool:
        """Whether this key may see records of `project`."""
        return self.sees_all or project == self.project

    @property
    def sees_all(self) -> bool:
        """Whether this key sees the records of all projects."""
        return self.role is Role.ADMIN

    def visible(self, query: Select[Any], table: type[Job | Release | Run | Upload]) -> Select[Any]:
        """`query` over `table`, restricted to the records that this key may see."""
        return query if self.sees_all else query.where(table.project == self.project)

    def audit(self, session: Session, action: str, target: str | None = None, detail: str | None = None) -> None:
        """Add an entry to the audit, in the session that makes the change: both are committed, or neither.

        Args:
            session: The session of the change.
            action: What was done, such as `job.cancel`.
            target: The id of the record that it was done to.
            detail: Anything else worth recording.
        """
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


def client_address(request: Request) -> str:
    """The address that a request came from, shortened to ADDRESS_LENGTH."""
    return request.client.host[:ADDRESS_LENGTH] if request.client else "unknown"


def reject_key(components: Components, address: str) -> Problem:
    """The Problem for a key that is not valid. An address that sends many such keys has to wait."""
    log.warning("refused", extra={"address": address})
    if wait := components.failure_limiter.take(address):
        return too_many(wait, "refused keys from this address")
    components.supervisor.refusals.note(address)
    return _unknown("its key is not known, expired or revoked")


def authenticate(request: Request, form_token: str | None = None) -> Principal:
    """Who sent a request, by its key or its cookie; `form_token` is the CSRF token if a form carries it.

    Raises:
        Problem: The request has no valid key, its key sends too many requests, or its cookie comes without the CSRF
            token.
    """
    components = components_of(request)
    bearer, cookie = _bearer(request), read_cookie(request)
    generation = components.key_cache.generation()
    if bearer is None and not cookie:
        raise _unknown("it has no key")
    with components.database.reading() as session:
        key, browser = _find_key(session, bearer, cookie)
    if key is None:
        raise reject_key(components, client_address(request))
    if bearer is None and cookie and request.method not in SAFE_METHODS:
        check_csrf(request, cookie, form_token)
    principal = admit(request, components, key)
    _record_use(components, key, browser)
    if bearer is not None:
        components.key_cache.add(bearer, key, generation)
    return principal


def still_authenticated(request: Request) -> bool:
    """Whether the key or the session of a request is still valid; asked again while a long answer is being sent."""
    with components_of(request).database.reading() as session:
        return _find_key(session, _bearer(request), read_cookie(request))[0] is not None


def _find_key(session: Session, bearer: str | None, cookie: str | None) -> tuple[Key | None, BrowserSession | None]:
    """The valid key of a request, and the browser's session if it came by cookie; None for what there is not."""
    if bearer is not None:
        return find_key(session, bearer), None
    return (find_session_key(session, cookie) if cookie else None) or (None, None)


async def _authenticate(request: Request) -> Principal:
    """As `authenticate`, but without the database if the key was recognised a moment ago."""
    components, bearer = components_of(request), _bearer(request)
    key = components.key_cache.get(bearer) if bearer else None
    if key is None or not is_usable(key) or last_use_is_stale(key):
        return await run_in_threadpool(authenticate, request)
    return admit(request, components, key)


def _bearer(request: Request) -> str | None:
    """The text of the key in a request's header; None without one."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def admit(request: Request, components: Components, key: Key) -> Principal:
    """Count a request of a valid key, and say who sent it.

    Args:
        request: The request.
        components: The service's components.
        key: The key that the request came with.

    Returns:
        Who sent it.

    Raises:
        Problem: The key sends too many requests.
    """
    if wait := components.rate_limiter.take(key.id):
        raise too_many(wait, "requests with this key")
    request.state.key_id = key.id
    return Principal(key.id, key.name, Role(key.role), key.project, client_address(request))


def require_role(principal: Principal, *roles: Role) -> Principal:
    """The principal itself; raises Problem if its key does not allow what one of `roles` allows."""
    if not any(principal.has_role(role) for role in roles):
        detail = f"a key with the role {principal.role} may not do this: use one of {' or '.join(roles)}"
        raise Problem(HTTPStatus.FORBIDDEN, detail)
    return principal


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that a page of another site sent this request.

    `Sec-Fetch-Site` comes first: it is right behind any proxy. `Origin` is compared with `Host`, and a proxy may have
    set that to its own name.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def check_csrf(request: Request, cookie: str, form_token: str | None = None) -> None:
    """Refuse a change that was not sent by one of the service's own pages.

    Args:
        request: The request; its header X-CSRF-Token holds the token unless a form carries it.
        cookie: The cookie that the request came with.
        form_token: The token of a form.

    Raises:
        Problem: The token is missing or of another session, or another site sent the request.
    """
    token = form_token or request.headers.get(CSRF_HEADER, "")
    if is_cross_site(request) or not hmac.compare_digest(token.encode(), csrf_token(cookie).encode()):
        if form_token is not None:
            detail = "this form is of another session or another site: load its page again and send it once more"
        else:
            detail = (
                f"a request signed in by cookie must carry the session's token in {CSRF_HEADER}: see GET /v1/session"
            )
        raise Problem(HTTPStatus.FORBIDDEN, detail)


def _record_use(components: Components, key: Key, browser: BrowserSession | None) -> None:
    """Record that a key and a browser's session were used.

    If the database cannot be written, the request goes on: reading must not depend on writing.
    """
    moment, end = now() if last_use_is_stale(key) else None, browser and extended_expiry(browser)
    if moment is None and end is None:
        return
    try:
        with components.database.writing() as session:
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


def too_many(seconds: int, what: str) -> Problem:
    """The Problem of too many requests of a kind, which says after how many seconds to try again."""
    detail = f"there are too many {what}: try again in {seconds} s"
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(seconds)})


def _at_least(*roles: Role) -> Any:
    async def check(request: Request) -> Principal:
        return require_role(await _authenticate(request), *roles)

    return Depends(check)


Viewer = Annotated[Principal, _at_least(Role.VIEWER)]
Editor = Annotated[Principal, _at_least(Role.EDITOR)]
Admin = Annotated[Principal, _at_least(Role.ADMIN)]
Manager = Annotated[Principal, _at_least(Role.MANAGER)]
SeesRealImages = Annotated[Principal, _at_least(Role.EDITOR, Role.RELEASER)]
