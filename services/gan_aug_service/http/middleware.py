"""What surrounds every request: a limit on its body, security headers, a line of log and metrics."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan_aug_service.http.bodies import body_too_large
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.prefix import ROOT_PATH, prefixed_location, without_prefix
from gan_aug_service.http.problems import document, internal_error, problem_response

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer, unless its route sets them itself."""

HTTPS_HEADERS = {"strict-transport-security": "max-age=31536000"}
"""Also set if browsers use https: for a year they then use nothing else."""

KNOWN_METHODS = {"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"}
"""Methods that metrics count separately; a client can invent any number of others."""

log = logging.getLogger(__name__)


class HeadAnswered(Exception):
    """All that a client with the method HEAD asked for was sent: what would make the rest of the answer may end."""


class RequestMiddleware:
    """The ASGI middleware around all routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int,
        unlimited_paths: Collection[str],
        https: bool = False,
        root_path: str = "",
    ) -> None:
        """Wrap `app`.

        Args:
            app: The application.
            body_limit: Bytes that a body may have.
            unlimited_paths: Paths that have a limit of their own; `*` in one stands for an id.
            https: Whether browsers use https.
            root_path: The path under which a proxy shows the service; empty for the root.
        """
        self._app, self._limit, self._root = app, body_limit, root_path
        paths = [re.escape(path).replace(r"\*", "[^/]+") for path in unlimited_paths]
        self._unlimited = re.compile("|".join(paths))  # without paths it is the empty one, which no request has
        headers = SECURITY_HEADERS | HTTPS_HEADERS if https else SECURITY_HEADERS
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one with the method HEAD as GET, without the body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, answered, asked = time.monotonic(), 500, False, scope["method"]
        ROOT_PATH.set(self._root)
        scope = without_prefix(scope, self._root)
        if asked == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), "head": True}}

        async def sending(message: Message) -> None:
            nonlocal status, answered
            if asked == "HEAD" and message["type"] == "http.response.body":
                await send({"type": "http.response.body", "body": b""})
                raise HeadAnswered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                present = {name.lower() for name, _ in message["headers"]}
                missing = [pair for pair in self._headers if pair[0] not in present]
                message["headers"] = [*prefixed_location(message["headers"]), *missing]
            await send(message)

        try:
            if self._declared(scope) > self._limit and not self._unlimited.fullmatch(scope["path"]):
                problem = body_too_large(self._limit)
                response = problem_response(document(problem.status_code, problem.detail), dict(problem.headers or {}))
                await response(scope, receive, sending)
            else:
                await self._app(scope, self._counted(scope, receive), sending)
        except HeadAnswered:
            pass
        except Exception:
            log.exception("fault", extra={"path": scope["path"][:300]})
            if not answered:
                await internal_error()(scope, receive, sending)
        finally:
            self._note(scope, asked, status, time.monotonic() - began)

    def _declared(self, scope: Scope) -> int:
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        return int(length) if length.isdigit() else 0

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        """The request's body, counted up to the limit: a body in chunks declares no length."""
        if self._unlimited.fullmatch(scope["path"]):
            return receive
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise body_too_large(self._limit)
            return message

        return counting

    def _note(self, scope: Scope, asked: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        state = scope.get("state", {})
        metrics: Metrics = scope["app"].state.components.metrics
        method = asked if asked in KNOWN_METHODS else "other"
        metrics.requests.labels(method, route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        log.info(
            "request",
            extra={
                "method": asked,
                "path": scope["path"][:300],
                "status": status,
                "ms": round(1000 * seconds, 1),
                "key": state.get("key_id"),
                "address": scope["client"][0] if scope.get("client") else None,
            },
        )
