"""The cookie of a browser that signed in: its name, and whether it is sent through https alone."""

from __future__ import annotations

from fastapi import Request, Response

from gan_aug_service.parts import parts_of

COOKIE = "ganaug_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name where browsers come through https: they take one of this name from this host alone, and only by https."""


def over_https(request: Request) -> bool:
    """Whether a browser's request came through https, here or to a proxy in front."""
    return parts_of(request).settings.https or request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    """The cookie's name for a browser that comes the way this request did."""
    return SECURE_COOKIE if over_https(request) else COOKIE


def cookie_of(request: Request) -> str:
    """The cookie that came with a request; empty without one."""
    return request.cookies.get(cookie_name(request), "")


def forget_cookie(request: Request, response: Response) -> None:
    """Tell the browser to forget its cookie; one with this name is only taken back as it was set."""
    response.delete_cookie(cookie_name(request), path="/", secure=over_https(request), httponly=True, samesite="strict")
