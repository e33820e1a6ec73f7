"""Routes of pages: a problem is shown as a page, and who is not signed in is sent to sign in, and back."""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from gan_aug_service.access.authentication import is_cross_site
from gan_aug_service.access.cookies import read_cookie
from gan_aug_service.access.keys import csrf_token
from gan_aug_service.components import components_of
from gan_aug_service.http.problems import HANDLED_ERRORS, document, error_response, internal_error, problem_response
from gan_aug_service.web.kit.rendering import render

SIGN_IN, KEPT = "/sign-in", "/kept"
FORM_SIZE = 64 << 10
"""Characters of a form that is kept for a sender who has to sign in again."""

log = logging.getLogger(__name__)


class PageRoute(APIRoute):
    """A route whose problems are pages for browsers, and problem documents for other clients."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with problems turned into pages."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except HANDLED_ERRORS as error:
                if not wants_html(request):
                    raise
                answer = _plain_fault(error) if isinstance(error, RequestValidationError) else None
                return problem_page(request, answer or error_response(request, error))
            except Exception:
                if not wants_html(request):
                    raise
                log.exception("fault", extra={"path": request.url.path[:300]})
                return problem_page(request, internal_error())

        return handled


def page_router() -> APIRouter:
    """A router for the pages of one resource."""
    return APIRouter(include_in_schema=False, route_class=PageRoute, default_response_class=HTMLResponse)


def wants_html(request: Request) -> bool:
    """Whether the client is a browser that asks for a page."""
    return "text/html" in request.headers.get("accept", "")


def redirect(path: str) -> RedirectResponse:
    """Send the browser to a path of this service; after a form, so that a reload does not send it again."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def local_path(target: str) -> str:
    """The target to go on with if it is a path of this service, or `/`: never another site."""
    plain = target.startswith("/") and target.isprintable() and "\\" not in target
    return target if plain and not target.startswith("//") else "/"


def problem_page(request: Request, answer: Response) -> Response:
    """A problem document as a page; if a key is missing, the way to the sign-in page."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return _sign_in(request)
    problem = json.loads(bytes(answer.body))
    problem["detail"] = plain(problem["detail"])
    headers = {name: value for name, value in answer.headers.items() if name in ("retry-after", "connection")}
    user = getattr(request.state, "user", None)
    return render("shared/problem.html", user, status=answer.status_code, headers=headers, problem=problem)


def plain(detail: str) -> str:
    """A sentence of a problem document for a reader of pages, who calls no REST route."""
    return re.sub(r": look at what there is with GET /v1/\S+", ": go back to the list", detail).replace("`", "")


def _plain_fault(error: RequestValidationError) -> Response:
    """What is wrong with the address of a page, without the words of the program that found it."""
    parts = [(str(fault["loc"][0]), str(fault["loc"][-1]), fault.get("input")) for fault in error.errors()]
    if any(place == "path" for place, _, _ in parts):
        detail = "this address is not whole, or has a slip: go back, and follow the link again"
    else:
        names = "; ".join(f"{name}: {str(value)[:60]!r} cannot be chosen here" for _, name, value in parts)
        detail = f"{names}: go back, and choose again"
    return problem_response(document(HTTPStatus.UNPROCESSABLE_ENTITY, detail))


def _sign_in(request: Request) -> Response:
    current = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = current if request.method == "GET" else _kept_form(request, current)
    if request.headers.get("sec-fetch-site") == "cross-site" and not read_cookie(request):
        # Browsers do not send the cookie with a link from another site, but they do with a link from this page.
        return render("shared/redirect.html", None, path=target)
    return redirect(SIGN_IN if target == "/" else f"{SIGN_IN}?{urlencode({'next': target})}")


def _kept_form(request: Request, path: str) -> str:
    """The page where a form that came too late waits for its sender; `/` if it is none of the session's own pages.

    The token in it proves that: it is derived from the cookie, which the browser still has.
    """
    token, fields = getattr(request.state, "sent_form", ("", {}))
    cookie = read_cookie(request)
    own = bool(cookie) and hmac.compare_digest(token.encode(), csrf_token(cookie).encode())
    size = sum(len(name) + sum(map(len, texts)) for name, texts in fields.items())
    if not own or is_cross_site(request) or size > FORM_SIZE:
        return "/"
    name = secrets.token_urlsafe(24)
    components_of(request).kept_forms.put(KEPT, name, (path, fields))
    return f"{KEPT}/{name}"
