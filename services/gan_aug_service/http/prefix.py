"""The path under which a proxy shows the service, such as `/gan-aug`: taken off requests, and put before addresses.

Routes and pages know nothing of it. Within a request, `prefixed` gives the address of a path as browsers know it.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

from starlette.types import Scope

ROOT_PATH: ContextVar[str] = ContextVar("ROOT_PATH", default="")
"""The path of the service that answers the present request; empty for the root of its host."""

OWN_ADDRESS = re.compile(r'(\s(?:href|src|action|formaction|data-address)="|content="0;url=)/(?!/)')
"""Where the markup of our templates names a path of the service. No text of others has these quotes: it is escaped."""


def prefixed(path: str) -> str:
    """A path of the service as browsers know it."""
    return ROOT_PATH.get() + path


def prefixed_page(page: str) -> str:
    """A page with all paths of the service as browsers know them."""
    root = ROOT_PATH.get()
    return OWN_ADDRESS.sub(lambda found: f"{found[1]}{root}/", page) if root else page


def prefixed_location(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers, with a path of the service in `Location` as browsers know it."""
    root = ROOT_PATH.get().encode()
    return [
        (name, root + value) if name.lower() == b"location" and value[:1] == b"/" and value[:2] != b"//" else
        (name, value)
        for name, value in headers
    ]  # fmt: skip


def without_prefix(scope: Scope, root: str) -> Scope:
    """A request as the routes see it, whether the proxy took the prefix off or not."""
    path = scope["path"]
    if not root or not (path == root or path.startswith(root + "/")):
        return scope
    raw = scope.get("raw_path")
    changed = {"path": path[len(root) :] or "/"}
    return {**scope, **changed, **({"raw_path": raw[len(root.encode()) :] or b"/"} if raw else {})}
