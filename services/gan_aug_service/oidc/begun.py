"""A sign-in that a browser has begun: the secret in its cookie, and the values that the provider must send back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote

MINUTES = 10
"""How long a person may take at the provider."""

TARGET_LENGTH = 500
"""Characters of a path that are remembered meanwhile: a cookie has an end."""

COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{9,11})\.([A-Za-z0-9%._~-]{1,3000})")


@dataclass(frozen=True)
class Begun:
    """One begun sign-in. Its values are derived from a secret that its browser alone holds, so nothing is stored here.

    `state` ties the answer to the browser (RFC 6749), `nonce` the ID token to this sign-in, and `verifier` the code to
    who asked for it (PKCE, RFC 7636).
    """

    secret: str
    begun: int
    target: str
    """The path of the page that the browser wants to see then."""

    @classmethod
    def now(cls, target: str) -> Begun:
        """A new one."""
        return cls(secrets.token_urlsafe(32), int(time.time()), target if len(target) <= TARGET_LENGTH else "/")

    @classmethod
    def of_cookie(cls, text: str) -> Begun | None:
        """The one that a browser's cookie holds; None if there is none or it is too old."""
        match = COOKIE.fullmatch(text)
        if match is None or not -60 < time.time() - int(match[2]) < MINUTES * 60:
            return None
        return cls(match[1], int(match[2]), unquote(match[3]))

    @property
    def cookie(self) -> str:
        """The cookie's value."""
        return f"{self.secret}.{self.begun}.{quote(self.target, safe='')}"

    @property
    def state(self) -> str:
        """What the provider sends back with the code."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the ID token must hold."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What proves, when the code is redeemed, who asked for it."""
        return self._derived("verifier")

    def _derived(self, name: str) -> str:
        digest = hmac.new(self.secret.encode(), f"{name}.{self.begun}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
