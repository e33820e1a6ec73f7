"""Signing in with the OpenID Connect provider: away to it, and back with a session whose rights come from groups."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from gan_aug_service.access import keys
from gan_aug_service.access.authentication import admit, client_address, too_many
from gan_aug_service.access.cookies import is_https, set_cookie
from gan_aug_service.access.people import admit_person, grant_of, shut_out
from gan_aug_service.components import Components
from gan_aug_service.database.tables import AuditEntry
from gan_aug_service.http.problems import Problem
from gan_aug_service.oidc.begun import MINUTES, Begun
from gan_aug_service.oidc.provider import Identity, Provider, ProviderFault, Refused
from gan_aug_service.records.projects import is_there
from gan_aug_service.routes.common import ComponentsDep, public_address
from gan_aug_service.web.kit.page_route import SIGN_IN, local_path, page_router
from gan_aug_service.web.kit.rendering import render

router = page_router()
BEGIN, CALLBACK = f"{SIGN_IN}/provider", f"{SIGN_IN}/provider/callback"
COOKIE, SECURE_COOKIE = "ganaug_begun", "__Host-ganaug_begun"
"""The cookie of a sign-in that has begun. It comes back with a link of the provider's, so it cannot be `Strict`."""

log = logging.getLogger(__name__)


class _TurnedAway(Exception):
    """Somebody who is not let in: the status and sentence of the page, and what the audit says."""

    def __init__(self, status: HTTPStatus, sentence: str, noted: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.noted = status, sentence, noted


@router.get(BEGIN)
def begin(request: Request, components: ComponentsDep, next: str = "/") -> Response:
    """Send the browser to the provider, with a cookie that its answer will be held against."""
    provider, begun = _provider(components), Begun.now(local_path(next))
    try:
        url = provider.authorization_url(_callback(request), begun)
    except ProviderFault as fault:
        return _turn_away(request, components, begun.target, _fault(provider, fault))
    answer = RedirectResponse(url, HTTPStatus.SEE_OTHER)
    secure = is_https(request)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        begun.cookie,
        max_age=MINUTES * 60,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return answer


@router.get(CALLBACK)
def come_back(request: Request, components: ComponentsDep) -> Response:
    """Sign the browser in, if the provider's answer is of the sign-in that it began and says who it is."""
    provider, secure = _provider(components), is_https(request)
    if wait := components.failure_limiter.wait(client_address(request)):
        raise too_many(wait, "refused sign-ins from this address")
    begun = Begun.of_cookie(request.cookies.get(SECURE_COOKIE if secure else COOKIE, ""))
    target = local_path(begun.target) if begun else "/"
    try:
        token = _let_in(request, components, provider, _identity(request, provider, begun))
    except _TurnedAway as turned:
        answer = _turn_away(request, components, target, turned)
    else:
        # A page and no redirect: browsers send the session's cookie, a `Strict` one, only with what began on this site.
        answer = render("shared/redirect.html", None, path=target)
        set_cookie(request, answer, token)
    answer.delete_cookie(SECURE_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True, samesite="lax")
    return answer


def _identity(request: Request, provider: Provider, begun: Begun | None) -> Identity:
    """Who came back from the provider; raises _TurnedAway."""
    if begun is None:
        sentence = f"This sign-in was begun in another browser, or more than {MINUTES} minutes ago: begin it again."
        raise _TurnedAway(HTTPStatus.BAD_REQUEST, sentence, "no sign-in was begun in this browser")
    try:
        return provider.identity(_callback(request), request.query_params, begun)
    except Refused as refusal:
        sentence = f"Nobody was signed in with {provider.settings.name}: try again."
        raise _TurnedAway(HTTPStatus.FORBIDDEN, sentence, f"the provider says {refusal}") from None
    except ProviderFault as fault:
        raise _fault(provider, fault) from None


def _let_in(request: Request, components: Components, provider: Provider, identity: Identity) -> str:
    """The token of a new session of somebody whom the provider knows; raises _TurnedAway."""
    grant, name = grant_of(provider.settings, identity), provider.settings.name
    with components.database.writing() as session:
        if grant is None:
            shut_out(session, identity)
            noted = f"{identity.name} is in no group that may use this service"
            turned = _TurnedAway(
                HTTPStatus.FORBIDDEN,
                f"You are signed in with {name}, but none of your groups there may use this service: ask its "
                "administrator.",
                noted,
            )
        elif not is_there(session, grant.project):
            turned = _TurnedAway(
                HTTPStatus.FORBIDDEN,
                f"You are signed in with {name}, but your project {grant.project} is not here: ask an administrator of "
                "this service to make it.",
                f"there is no project {grant.project!r}, which the group {grant.group!r} is for",
            )
        else:
            person = admit_person(session, identity, grant, provider.settings.hours)
            if not person.revoked:
                principal = admit(request, components, person)
                principal.audit(session, "session.create", detail=f"with {name}")
                return keys.sign_in(session, person)
            turned = _TurnedAway(
                HTTPStatus.FORBIDDEN,
                "An administrator of this service has ended your access to it.",
                f"{identity.name}, whose access was revoked",
            )
    raise turned


def _fault(provider: Provider, fault: ProviderFault) -> _TurnedAway:
    sentence = (
        f"{provider.settings.name} does not answer, or not as it should: try again in a moment, or sign in with a key. "
        "The service's log says what is wrong."
    )
    log.warning("provider", extra={"reason": str(fault)})
    return _TurnedAway(HTTPStatus.BAD_GATEWAY, sentence, str(fault))


def _turn_away(request: Request, components: Components, target: str, turned: _TurnedAway) -> Response:
    """The sign-in page with what is wrong, which the audit records too."""
    address = client_address(request)
    if wait := components.failure_limiter.take(address):
        raise too_many(wait, "refused sign-ins from this address")
    with components.database.writing() as session:
        session.add(AuditEntry(action="session.refuse", detail=turned.noted, address=address))
    settings = components.settings.provider
    return render(
        "access/sign-in.html", None, status=turned.status, next=target, fault=turned.sentence, provider=settings
    )


def _provider(components: Components) -> Provider:
    if components.provider is None:
        raise Problem(HTTPStatus.NOT_FOUND, "people sign in here with keys alone: no provider is set up")
    return components.provider


def _callback(request: Request) -> str:
    return public_address(request) + CALLBACK
