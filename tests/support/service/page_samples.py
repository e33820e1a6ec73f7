"""A browser's part against the test client: signing in, and forms with their token."""

from __future__ import annotations

import re
from typing import Any

from tests.support.service.service_samples import Service

PAGE = {"Accept": "text/html,application/xhtml+xml"}


def see(service: Service, path: str, **more: Any) -> Any:
    """A page as a browser asks for it, without following where it is sent."""
    return service.client.get(path, headers=PAGE, follow_redirects=False, **more)


def sign_in(service: Service, who: str = "editor", wanted: str = "/") -> Any:
    """Sign in by the form; gives the answer."""
    service.client.cookies.clear()
    fields = {"key": service.keys[who], "next": wanted}
    return service.client.post("/sign-in", data=fields, headers=PAGE, follow_redirects=False)


def send(service: Service, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Any:
    """Send a form of ours with the session's token."""
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', see(service, "/").text)
    assert token, "nobody is signed in"
    data = {"csrf_token": token[1]} | (fields or {})
    return service.client.post(path, data=data, headers=PAGE | more.pop("headers", {}), follow_redirects=False)
