"""Pictures that browsers may cache: each has an ETag, and one that the browser has is not sent again."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

PNG = "image/png"
IMMUTABLE = "private, max-age=31536000, immutable"
"""Cache-Control of a picture whose URL identifies its content."""

REVALIDATE = "private, no-cache"
"""Cache-Control of a picture that may change: the browser asks each time whether it did."""


def not_modified(request: Request, tag: str, cache_control: str = REVALIDATE) -> Response | None:
    """The answer to a browser that has the picture already; None if it does not.

    Args:
        request: The request.
        tag: The picture's ETag.
        cache_control: How long the browser may cache it.

    Returns:
        A 304, or None.
    """
    tags = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    return Response(None, HTTPStatus.NOT_MODIFIED, _headers(tag, cache_control)) if f'"{tag}"' in tags else None


def png_response(content: bytes, tag: str, cache_control: str = REVALIDATE) -> Response:
    """A PNG as an answer.

    Args:
        content: The file.
        tag: Its ETag.
        cache_control: How long the browser may cache it.

    Returns:
        The answer.
    """
    return Response(content, headers=_headers(tag, cache_control), media_type=PNG)


def _headers(tag: str, cache_control: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": cache_control}
