"""Errors as problem documents (RFC 9457), with the statuses that `gan_aug.errors` names."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from gan_aug import errors
from gan_aug.errors import ConfigError, GanAugError, StorageError
from gan_aug_service.settings import Settings

MEDIA_TYPE = "application/problem+json"
KINDS = (HTTPException, RequestValidationError, GanAugError, OperationalError, NoConnection)
"""The errors that are answered with a problem document of their own."""

SQLITE_CANNOT_WRITE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR")
POSTGRES_DISK_FULL = "53100"

log = logging.getLogger(__name__)


class Problem(HTTPException):
    """A request that cannot be answered, with a sentence that names the thing, the value and the way out."""

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def not_found(noun: str, identifier: str) -> Problem:
    """The Problem of a record that is not there, or that the caller's key does not reach: which is not told."""
    return Problem(HTTPStatus.NOT_FOUND, f"there is no {noun} {identifier}: look at what there is with GET /v1/{noun}s")


def repeated_otherwise(idempotency_key: str) -> Problem:
    """The Problem of an idempotency key that came with another request before."""
    detail = f"Idempotency-Key {idempotency_key!r} came with another request before: use a new one for this request"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def document(
    status: int, detail: str, *, name: str | None = None, faults: list[str] | None = None, exit_code: int | None = None
) -> dict[str, Any]:
    """A problem document: type, title, status and detail, with the faults and the exit code where there are some."""
    title = HTTPStatus(status).phrase
    found = {"type": f"urn:gan-aug:problem:{name or title.replace(' ', '')}", "title": title, "status": status}
    optional = {"faults": faults, "exit_code": exit_code}
    return found | {"detail": detail} | {key: value for key, value in optional.items() if value is not None}


def of_error(error: GanAugError) -> dict[str, Any]:
    """The problem document of one of our errors; a ConfigError's faults are listed one by one."""
    lines = str(error).splitlines()
    faults = [line.strip() for line in lines[1:]] if isinstance(error, ConfigError) and len(lines) > 1 else None
    name, exit_code = type(error).__name__, error.exit_code
    return document(error.http_status, str(error), name=name, faults=faults, exit_code=exit_code)


def of_record(name: str, message: str) -> dict[str, Any]:
    """The problem document of an error known by its name and message alone, as the end of a job records it."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, GanAugError):
        return of_error(kind(message))
    return document(HTTPStatus.INTERNAL_SERVER_ERROR, message, name=name, exit_code=1)


def install(app: FastAPI) -> None:
    """Answer every fault of `app` with a problem document."""
    for kind in KINDS:
        app.add_exception_handler(kind, told)


def told(request: Request, error: Exception) -> JSONResponse:
    """The problem document of an error of one of KINDS, as a response."""
    if isinstance(error, HTTPException):
        return answer(document(error.status_code, error.detail), dict(error.headers or {}))
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, GanAugError):
        return _ours(request, error)
    return _database(request, error)


def unforeseen() -> JSONResponse:
    """The answer to a fault of ours: it tells nothing of what happened, which is in the log."""
    detail = "this is a fault of ours: please report it with the service's log of this moment"
    return answer(document(HTTPStatus.INTERNAL_SERVER_ERROR, detail, exit_code=1))


def answer(content: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    return JSONResponse(content, content["status"], headers, media_type=MEDIA_TYPE)


def _validation(error: RequestValidationError) -> JSONResponse:
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    detail = f"the request has {len(faults)} fault{'s' * (len(faults) > 1)}: {'; '.join(faults)}"
    return answer(document(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults))


def _ours(request: Request, error: GanAugError) -> JSONResponse:
    settings: Settings = request.app.state.parts.settings
    return answer(of_error(type(error)(settings.without_places(str(error)))))


def database_reason(error: Exception) -> str:
    """What the database calls its fault: SQLite's name, PostgreSQL's SQLSTATE, or else the error's own name."""
    cause = error.orig if isinstance(error, DBAPIError) else error.__cause__
    named = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return str(named or type(cause or error).__name__)


def _database(request: Request, error: Exception) -> JSONResponse:
    reason = database_reason(error)
    log.error("database", extra={"path": request.url.path, "reason": reason})
    if reason.startswith(SQLITE_CANNOT_WRITE) or reason == POSTGRES_DISK_FULL:
        full = "the database cannot write, since its disk is full or read-only: nothing of this request was kept; "
        return answer(of_error(StorageError(full + "free some room there and try again")))
    detail = "the database does not answer: try again in a moment"
    return answer(document(HTTPStatus.SERVICE_UNAVAILABLE, detail), {"Retry-After": "5"})
