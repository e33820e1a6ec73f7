"""The cookie of a signed-in browser: its name, read and cleared."""

from __future__ import annotations

import re

from fastapi import Request, Response

from gan_aug_service.components import components_of
from gan_aug_service.settings import Settings

COOKIE = "ganaug_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""The cookie's name over https: browsers accept `__Host-` from this very host alone, and only over https."""


def is_https(request: Request) -> bool:
    """Whether a browser sent this request over https, to the service or to a proxy in front of it."""
    return components_of(request).settings.https or request.url.scheme == "https"


def name_of_cookie(settings: Settings, https: bool | None = None) -> str:
    """The cookie's name: it depends on https, and on the path under which a proxy shows the service.

    Services under several paths of one host must not take each other's cookies: a `__Host-` cookie is for all paths.
    """
    secure = settings.https if https is None else https
    return (SECURE_COOKIE if secure else COOKIE) + re.sub("[^A-Za-z0-9]", "_", settings.root_path)


def cookie_name(request: Request) -> str:
    """The cookie's name for a request."""
    return name_of_cookie(components_of(request).settings, is_https(request))


def read_cookie(request: Request) -> str:
    """The cookie that came with a request; an empty text without one."""
    return request.cookies.get(cookie_name(request), "")


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give the browser its session's cookie: it ends with the browser, and at the latest with the session."""
    secure = is_https(request)
    response.set_cookie(cookie_name(request), token, path="/", httponly=True, samesite="strict", secure=secure)


def clear_cookie(request: Request, response: Response) -> None:
    """Delete the browser's cookie; a browser deletes it only if the attributes are those it was set with."""
    response.delete_cookie(cookie_name(request), path="/", secure=is_https(request), httponly=True, samesite="strict")
