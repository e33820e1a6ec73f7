"""An OpenID Connect provider: discovered, asked who somebody is, and believed only as far as its signature holds.

Authlib speaks the protocol and checks the claims, joserfc the signatures; this is the only door to both.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from gan_aug_service.oidc.begun import Begun
from gan_aug_service.openapi.people.names import as_name
from gan_aug_service.settings import LOOPBACK, ProviderSettings

TIMEOUT = 10
"""Seconds that one request to the provider may take."""

MAX_AGE = 3600
"""Seconds that the provider's addresses and keys are believed without asking again."""

RETRY_SECONDS = 10
"""How soon the keys are fetched again for a token with an unknown one, and the provider is asked again after it failed:
nobody can make the service ask more often."""

ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
)
"""Signatures with a public key. `none` is no signature, and HS256 would take a public key for a password."""

METHODS = ("client_secret_basic", "client_secret_post")

log = logging.getLogger(__name__)


class ProviderFault(Exception):
    """The provider does not answer, or what it answers is not to be believed; the message is for the log."""


class Refused(Exception):
    """The provider's answer is that nobody signed in; the message is its error code."""


@dataclass(frozen=True)
class Identity:
    """Who the provider says somebody is."""

    issuer: str
    subject: str
    name: str
    groups: frozenset[str]


class Provider:
    """One provider; several threads may use it."""

    def __init__(self, settings: ProviderSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._metadata, self._keys = FetchedObject(clock), FetchedObject(clock)

    def authorization_url(self, redirect_uri: str, begun: Begun) -> str:
        """The address at the provider where a browser signs in. Raises ProviderFault."""
        with self._session(redirect_uri) as session:
            endpoint = self._endpoint("authorization_endpoint")
            url, _ = session.create_authorization_url(
                endpoint, state=begun.state, nonce=begun.nonce, code_verifier=begun.verifier
            )
        return str(url)

    def end_session_url(self, back: str) -> str | None:
        """The address at the provider where a browser signs out there too, and comes back; None if it has none."""
        try:
            endpoint = self._discovered().get("end_session_endpoint")
        except ProviderFault as fault:
            log.warning("provider", extra={"reason": str(fault)})
            return None
        if not isinstance(endpoint, str) or not _may_be_asked(endpoint):
            return None
        query = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    def identity(self, redirect_uri: str, answer: Mapping[str, str], begun: Begun) -> Identity:
        """Who signed in, from what the provider sent the browser back with.

        Args:
            redirect_uri: Where the browser came back to, as it was told to the provider.
            answer: The query that it came with.
            begun: The sign-in that this browser had begun.

        Returns:
            Who it is.

        Raises:
            Refused: The provider says that nobody signed in.
            ProviderFault: The answer belongs to another sign-in or provider, or proves nothing.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise ProviderFault("the state is of another sign-in")
        metadata = self._discovered()
        issuer = answer.get("iss")
        if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is True:
            raise ProviderFault("the answer names no issuer, though the provider always does")
        if issuer is not None and issuer != self.settings.issuer:
            raise ProviderFault("the answer is of another issuer")
        if "error" in answer:
            raise Refused(answer["error"][:80])
        with self._session(redirect_uri) as session:
            token = self._token(session, answer.get("code", ""), begun)
            claims = self._claims(token, begun)
            if self._claimed_groups(claims) is None or not self._name(claims):
                claims = self._user_info(session, claims) | claims
        groups = self._claimed_groups(claims)
        return Identity(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            name=self._name(claims) or "without a name",
            groups=groups or frozenset(),
        )

    def _session(self, redirect_uri: str) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        settings = self.settings
        supported = self._discovered().get("token_endpoint_auth_methods_supported", METHODS[:1])
        method = next((name for name in METHODS if name in supported), METHODS[0]) if settings.client_secret else "none"
        return OAuth2Session(
            settings.client_id,
            settings.client_secret,
            token_endpoint_auth_method=method,
            scope=" ".join(settings.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )

    def _token(self, session: Any, code: str, begun: Begun) -> dict[str, Any]:
        from authlib.common.errors import AuthlibBaseError

        if not code:
            raise ProviderFault("the answer holds no code")
        endpoint = self._endpoint("token_endpoint")
        try:
            token = session.fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=begun.verifier,
                allow_redirects=False,
            )
        except AuthlibBaseError as error:
            raise ProviderFault(f"the code is not redeemed: {error.error}") from error
        except (OSError, ValueError) as error:
            raise ProviderFault(f"the token endpoint does not answer: {type(error).__name__}") from error
        if not isinstance(token.get("id_token"), str):
            raise ProviderFault("there is no ID token")
        return dict(token)

    def _claims(self, token: dict[str, Any], begun: Begun) -> dict[str, Any]:
        """The claims of an ID token that is signed by the provider, fresh, and for this sign-in."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        settings = self.settings
        try:
            decoded = self._decoded(token["id_token"])
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": settings.issuer},
                    "aud": {"essential": True, "value": settings.client_id},
                },
                {"nonce": begun.nonce, "client_id": settings.client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=settings.leeway)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderFault(f"the ID token is not to be believed: {type(error).__name__} {error}"[:200]) from error
        if not claims["sub"]:
            raise ProviderFault("the ID token names nobody")
        return dict(claims)

    def _decoded(self, text: str) -> Any:
        """The ID token, its signature checked: with newer keys if the known ones do not fit."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        offered = self._discovered().get("id_token_signing_alg_values_supported")
        allowed = ALGORITHMS & set(offered) if isinstance(offered, list) else ALGORITHMS
        registry = JWSRegistry(algorithms=sorted(allowed), strict_check_header=False)

        def decoded(keys: dict[str, Any]) -> Any:
            return jwt.decode(text, KeySet.import_key_set(_public(keys)), registry=registry)

        try:
            return decoded(self._key_set(MAX_AGE))
        except (JoseError, ValueError):
            return decoded(self._key_set(RETRY_SECONDS))

    def _user_info(self, session: Any, claims: dict[str, Any]) -> dict[str, Any]:
        """What the provider's user-info endpoint adds; nothing if it has none, or speaks of somebody else."""
        endpoint = self._discovered().get("userinfo_endpoint")
        if not isinstance(endpoint, str) or not _may_be_asked(endpoint):
            return {}
        found = _object(lambda: session.get(endpoint, allow_redirects=False), "the user-info endpoint")
        if found.get("sub") != claims["sub"]:
            raise ProviderFault("the user-info endpoint speaks of somebody else")
        return found

    def _claimed_groups(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        found: Any = claims.get(self.settings.groups_claim)
        if found is None:
            found = claims
            for part in self.settings.groups_claim.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            found = [found]
        return frozenset(item for item in found if isinstance(item, str)) if isinstance(found, list) else None

    @staticmethod
    def _name(claims: Mapping[str, Any]) -> str | None:
        named = (as_name(claims.get(claim)) for claim in ("name", "preferred_username", "email"))
        return next((name for name in named if name), None)

    def _endpoint(self, name: str) -> str:
        endpoint = self._discovered().get(name)
        if not isinstance(endpoint, str) or not _may_be_asked(endpoint):
            raise ProviderFault(f"its discovery document has no {name} of https")
        return endpoint

    def _discovered(self) -> dict[str, Any]:
        """The provider's discovery document."""
        found = self._metadata.get(self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration", MAX_AGE)
        if found.get("issuer") != self.settings.issuer:
            raise ProviderFault(f"it calls itself {str(found.get('issuer'))[:100]!r}, and not as `issuer` says")
        return found

    def _key_set(self, seconds: float) -> dict[str, Any]:
        """The provider's keys, not older than so many seconds."""
        return self._keys.get(self._endpoint("jwks_uri"), seconds)


class FetchedObject:
    """A JSON object of the provider, fetched again when it is too old.

    If it cannot be fetched, nobody asks again for RETRY_SECONDS: requests must not wait for a provider that is away one
    after the other.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._found: tuple[dict[str, Any], float] | None = None
        self._fault: tuple[ProviderFault, float] | None = None

    def get(self, url: str, seconds: float) -> dict[str, Any]:
        """The object at `url`, not older than so many seconds. Raises ProviderFault."""
        with self._lock:
            if self._found and self._clock() - self._found[1] < seconds:
                return self._found[0]
            if self._fault and self._clock() - self._fault[1] < RETRY_SECONDS:
                raise ProviderFault(str(self._fault[0]))
            try:
                self._found = _fetched(url), self._clock()
            except ProviderFault as fault:
                self._fault = fault, self._clock()
                raise
            return self._found[0]


def _fetched(url: str) -> dict[str, Any]:
    from authlib.integrations.requests_client import OAuth2Session

    with OAuth2Session(default_timeout=TIMEOUT) as session:
        return _object(lambda: session.get(url, withhold_token=True, allow_redirects=False), url)


def _object(asked: Callable[[], Any], what: str) -> dict[str, Any]:
    """The JSON object that the provider answers with; raises ProviderFault if it is something else."""
    try:
        answer = asked()
        found = answer.json() if answer.status_code == 200 else None
    except (OSError, ValueError) as error:
        raise ProviderFault(f"{what} does not answer: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise ProviderFault(f"{what} answers {answer.status_code} without a JSON object")
    return found


def _public(keys: dict[str, Any]) -> Any:
    """The keys of a set that can check a signature: others in it, of kinds unknown here, are no reason to fail."""
    listed = keys.get("keys")
    kept = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    if not kept:
        raise ValueError("the provider has no keys that check a signature")
    return {"keys": kept}


def _may_be_asked(url: str) -> bool:
    """Whether an address is of https, or of this machine, where the settings allow http too."""
    address = urlsplit(url)
    return bool(address.hostname) and (
        address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
    )
