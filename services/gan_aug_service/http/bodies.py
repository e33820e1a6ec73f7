"""Request bodies: JSON or YAML, accepted only if they are small, shallow and plain."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import yaml
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from gan_aug_service.http.problems import Problem

JSON, YAML = "application/json", "application/yaml"
Loader: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's safe loader, the one in C if there is one: it is ten times as fast."""


async def read_object(request: Request, *, limit: int, depth: int) -> dict[str, Any]:
    """The JSON or YAML object in a request's body.

    Args:
        request: The request.
        limit: Bytes that the body may have.
        depth: Levels of nesting that it may have.

    Returns:
        The object.

    Raises:
        Problem: The body is larger or deeper, or holds something else.
    """
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind not in (JSON, YAML):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is {kind!r}: send {JSON} or {YAML}")
    content = b"".join([part async for part in limited_stream(request, limit)])
    # In a thread: parsing may take long, and other requests must not wait for it.
    return await run_in_threadpool(parse_object, content, kind, depth)


def parse_object(content: bytes, kind: str, depth: int) -> dict[str, Any]:
    """The object in a JSON or YAML text.

    Args:
        content: The text, as UTF-8.
        kind: JSON or YAML, as a media type.
        depth: Levels of nesting that it may have.

    Returns:
        The object.

    Raises:
        Problem: It is no object, is nested deeper, or holds what JSON cannot hold.
    """
    try:
        text = content.decode()
        value = _from_yaml(text, depth) if kind == YAML else json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise _too_deep(depth) from None
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is not valid {kind.partition('/')[2]}: {reason}") from None
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body is a {type(value).__name__}: send an object")
    _check(value, depth)
    return value


async def limited_stream(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The parts of a body as they come; raises Problem if more than `limit` bytes are declared or sent."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise body_too_large(limit)
    received = 0
    async for part in request.stream():
        received += len(part)
        if received > limit:
            raise body_too_large(limit)
        yield part


def body_too_large(limit: int) -> Problem:
    """The Problem of a body over its limit; connections.py discards the rest of it for a limited time."""
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit:,} bytes: send less")


def _too_deep(depth: int) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"the body is nested more than {depth} levels deep: send a plain object")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _from_yaml(text: str, depth: int) -> Any:
    """YAML without aliases, which can stand for any amount of data. The depth is checked before any value is built."""
    level = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*name): write the value out")
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > depth:
            raise _too_deep(depth)
    return yaml.load(text, Loader=Loader)  # noqa: S506 - Loader is a safe one


def _check(value: Any, depth: int) -> None:
    """Raise Problem if the value is nested too deeply, or holds numbers that are not finite or broken text."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, level = waiting.pop()
        if level > depth:
            raise _too_deep(depth)
        if isinstance(part, dict):
            waiting += [(item, level + 1) for pair in part.items() for item in pair]
        elif isinstance(part, list):
            waiting += [(item, level + 1) for item in part]
        elif isinstance(part, float) and not math.isfinite(part):
            raise Problem(HTTPStatus.BAD_REQUEST, f"the body holds the number {part}: send finite numbers")
        elif isinstance(part, str) and _broken(part):
            raise Problem(HTTPStatus.BAD_REQUEST, "the body holds text with a NUL or half a character: send plain text")
        elif not isinstance(part, str | int | float | bool | None):
            raise Problem(HTTPStatus.BAD_REQUEST, f"the body holds a {type(part).__name__}: put it in quotes")


def _broken(text: str) -> bool:
    return "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)
