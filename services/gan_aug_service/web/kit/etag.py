"""Pictures that a browser may keep: each has a tag of its content, and one it holds is not sent again."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

PNG = "image/png"
FOREVER = "private, max-age=31536000, immutable"
"""Of a picture whose address names its content."""

ASK = "private, no-cache"
"""Of one that may be another tomorrow: the browser asks each time whether it is."""


def held(request: Request, tag: str, kept: str = ASK) -> Response | None:
    """The answer to a browser that holds what `tag` names; None where it does not."""
    tags = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    return Response(None, HTTPStatus.NOT_MODIFIED, _headers(tag, kept)) if f'"{tag}"' in tags else None


def picture(content: bytes, tag: str, kept: str = ASK) -> Response:
    """A PNG with its tag, and how long it may be kept."""
    return Response(content, headers=_headers(tag, kept), media_type=PNG)


def _headers(tag: str, kept: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": kept}
