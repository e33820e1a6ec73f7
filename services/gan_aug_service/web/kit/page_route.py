"""Routes that are pages: a problem is shown as one, and who is not signed in is sent to do so and back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from gan_aug_service.access.cookies import cookie_of
from gan_aug_service.http.problems import KINDS, told, unforeseen
from gan_aug_service.web.kit.rendering import render

SIGN_IN = "/sign-in"
log = logging.getLogger(__name__)


class PageRoute(APIRoute):
    """A route whose problems are pages for browsers, and problem documents for everyone else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with what becomes of its problems."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except KINDS as error:
                if not wants_page(request):
                    raise
                return problem_page(request, told(request, error))
            except Exception:
                if not wants_page(request):
                    raise
                log.exception("fault", extra={"path": request.url.path[:300]})
                return problem_page(request, unforeseen())

        return handled


def router() -> APIRouter:
    """A router for the pages of one noun."""
    return APIRouter(include_in_schema=False, route_class=PageRoute, default_response_class=HTMLResponse)


def wants_page(request: Request) -> bool:
    """Whether a browser asks, that is for something to show."""
    return "text/html" in request.headers.get("accept", "")


def go(path: str) -> RedirectResponse:
    """Send the browser to a path of ours: after a form, so that loading anew repeats nothing."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def own_path(asked: str) -> str:
    """The path of ours in what a request asked to go on with, or home: never another site."""
    plain = asked.startswith("/") and asked.isprintable() and "\\" not in asked
    return asked if plain and not asked.startswith("//") else "/"


def problem_page(request: Request, answer: Response) -> Response:
    """A problem document as a page with its sentence and the way out, or the sign-in page where a key is missing."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return _sign_in(request)
    problem = json.loads(bytes(answer.body))
    kept = {name: value for name, value in answer.headers.items() if name in ("retry-after", "connection")}
    visitor = getattr(request.state, "visitor", None)
    return render("problem.html", visitor, status=answer.status_code, headers=kept, problem=problem)


def _sign_in(request: Request) -> Response:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = here if request.method == "GET" else "/"
    if request.headers.get("sec-fetch-site") == "cross-site" and not cookie_of(request):
        # Our cookie is not sent along a link of another site: asked for from here, it is, where there is one.
        return render("again.html", None, path=wanted)
    return go(SIGN_IN if wanted == "/" else f"{SIGN_IN}?{urlencode({'next': wanted})}")
