"""The pages' style sheets, scripts and icon: read once from the package, and served without a key."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Response

from gan_aug_service.http.problems import Problem

router = APIRouter(include_in_schema=False)
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {
    entry.name: entry.read_bytes()
    for entry in files("gan_aug_service.web").joinpath("static").iterdir()
    if entry.name[entry.name.rfind(".") :] in KINDS
}


def static_url(name: str) -> str:
    """The URL of one of these files; it changes with the content, so that browsers can cache the file for long."""
    return f"/static/{name}?v={hashlib.sha256(FILES[name]).hexdigest()[:12]}"


@router.get("/static/{name}")
def get_file(name: str, v: str = "") -> Response:
    """One of these files."""
    if name not in FILES:
        raise Problem(HTTPStatus.NOT_FOUND, f"the pages have no file {name[:80]!r}: load the page again")
    cache_control = "public, max-age=31536000, immutable" if static_url(name).endswith(f"={v}") else "no-cache"
    kind = KINDS[name[name.rfind(".") :]]
    return Response(FILES[name], headers={"Cache-Control": cache_control}, media_type=kind)
