"""Errors as problem documents (RFC 9457), with the statuses that `gan_aug.errors` names."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from gan_aug import errors
from gan_aug.errors import ConfigError, GanAugError, StorageError
from gan_aug_service.settings import Settings

MEDIA_TYPE = "application/problem+json"
HANDLED_ERRORS = (HTTPException, RequestValidationError, GanAugError, OperationalError, PoolTimeout)
"""Errors that have a problem document of their own; any other one is a fault of the service."""

SQLITE_CANNOT_WRITE = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR")
POSTGRES_DISK_FULL = "53100"

log = logging.getLogger(__name__)


class Problem(HTTPException):
    """A request that is refused, with a sentence that names the thing, the value and what to do."""

    def __init__(self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def not_found(resource: str, identifier: str) -> Problem:
    """The Problem of a record that does not exist or that the key may not see; it does not say which of the two."""
    return Problem(
        HTTPStatus.NOT_FOUND, f"there is no {resource} {identifier}: look at what there is with GET /v1/{resource}s"
    )


def idempotency_conflict(idempotency_key: str) -> Problem:
    """The Problem of an idempotency key that came with a different request before."""
    detail = f"Idempotency-Key {idempotency_key!r} came with another request before: use a new one for this request"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def document(
    status: int, detail: str, *, name: str | None = None, faults: list[str] | None = None, exit_code: int | None = None
) -> dict[str, Any]:
    """A problem document.

    Args:
        status: The HTTP status.
        detail: What is wrong and what to do.
        name: The last part of the document's type; by default it comes from the status.
        faults: Each fault of a config, if there are several.
        exit_code: What the command line would exit with.

    Returns:
        The document, as JSON values.
    """
    title = HTTPStatus(status).phrase
    found = {"type": f"urn:gan-aug:problem:{name or title.replace(' ', '')}", "title": title, "status": status}
    optional = {"faults": faults, "exit_code": exit_code}
    return found | {"detail": detail} | {key: value for key, value in optional.items() if value is not None}


def error_document(error: GanAugError) -> dict[str, Any]:
    """The problem document of a GanAugError; the faults of a ConfigError are listed one by one."""
    lines = str(error).splitlines()
    faults = [line.strip() for line in lines[1:]] if isinstance(error, ConfigError) and len(lines) > 1 else None
    name, exit_code = type(error).__name__, error.exit_code
    return document(error.http_status, str(error), name=name, faults=faults, exit_code=exit_code)


def recorded_document(name: str, message: str) -> dict[str, Any]:
    """The problem document of an error of which a job recorded the name and the message."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, GanAugError):
        return error_document(kind(message))
    return document(HTTPStatus.INTERNAL_SERVER_ERROR, message, name=name, exit_code=1)


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    for kind in HANDLED_ERRORS:
        app.add_exception_handler(kind, error_response)


def error_response(request: Request, error: Exception) -> JSONResponse:
    """The answer to an error of one of HANDLED_ERRORS."""
    if isinstance(error, HTTPException):
        return problem_response(document(error.status_code, error.detail), dict(error.headers or {}))
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, GanAugError):
        return _ours(request, error)
    return _database(request, error)


def internal_error() -> JSONResponse:
    """The answer to a fault of the service: what happened is in the log, and no word of it in the answer."""
    detail = "this is a fault of gan-aug: please report it with the service's log of this time"
    return problem_response(document(HTTPStatus.INTERNAL_SERVER_ERROR, detail, exit_code=1))


def problem_response(content: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    return JSONResponse(content, content["status"], headers, media_type=MEDIA_TYPE)


def _validation(error: RequestValidationError) -> JSONResponse:
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    detail = f"the request has {len(faults)} fault{'s' * (len(faults) > 1)}: {'; '.join(faults)}"
    return problem_response(document(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults))


def _ours(request: Request, error: GanAugError) -> JSONResponse:
    settings: Settings = request.app.state.components.settings
    return problem_response(error_document(type(error)(settings.hide_paths(str(error)))))


def database_reason(error: Exception) -> str:
    """The database's name for an error: SQLite's, or PostgreSQL's SQLSTATE, or the name of the error's class."""
    cause = error.orig if isinstance(error, DBAPIError) else error.__cause__
    named = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    return str(named or type(cause or error).__name__)


def _database(request: Request, error: Exception) -> JSONResponse:
    reason = database_reason(error)
    log.error("database", extra={"path": request.url.path, "reason": reason})
    if reason.startswith(SQLITE_CANNOT_WRITE) or reason == POSTGRES_DISK_FULL:
        reason = "the database cannot write, since its disk is full or read-only: nothing of this request was stored; "
        return problem_response(error_document(StorageError(reason + "free some space there and try again")))
    detail = "the database does not answer: try again in a moment"
    return problem_response(document(HTTPStatus.SERVICE_UNAVAILABLE, detail), {"Retry-After": "5"})
