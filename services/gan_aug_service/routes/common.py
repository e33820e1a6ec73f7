"""What routes share: ids, pages, documented faults, and how a body that is a config is described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import Session

from gan_aug_service.access.caller import Editor
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, Job, Key, Run, Upload
from gan_aug_service.http.bodies import JSON, YAML, read_object
from gan_aug_service.http.problems import MEDIA_TYPE
from gan_aug_service.parts import Parts, parts_of
from gan_aug_service.schemas import Page, ProblemOut

Id = Annotated[str, Path(pattern=ID_PATTERN)]
Limit = Annotated[int, Query(ge=1, le=200, description="records on a page")]
After = Annotated[str | None, Query(pattern=ID_PATTERN, description="the `next` of the page before")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="repeated with the same request it makes nothing new",
        examples=["4711"],
    ),
]


async def _parts(request: Request) -> Parts:
    return parts_of(request)  # a function that is not asynchronous would be called in a thread


Service = Annotated[Parts, Depends(_parts)]
Record = TypeVar("Record", Job, Run, Upload, Key, AuditEntry)
Out = TypeVar("Out")

FAULTS = {
    400: "the body cannot be read",
    401: "no valid key",
    403: "the key's role does not allow it, or a cookie came without its CSRF token",
    404: "there is no such record in the key's project",
    405: "the path knows other methods",
    409: "it is in use, or holds something else",
    413: "the body is too large",
    415: "the body is of another kind",
    422: "what was asked is not valid; every fault is listed",
    429: "too many requests: see Retry-After",
    503: "a part of the service is away: try again",
    507: "the disk is full",
}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented problem responses of a route: these statuses, and those that every route has."""
    wanted = sorted({401, 403, 422, 429, 503, 507, *statuses})
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}}}
    return {status: {"description": FAULTS[status], "content": content} for status in wanted}


def gives(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The documented answer of a route that gives a file of one of these media types."""
    return {200: {"description": "the file", "content": {kind: {} for kind in kinds}}}


def router(tag: str) -> APIRouter:
    """A router of versioned paths for one noun."""
    return APIRouter(prefix="/v1", tags=[tag], responses=faults())


def page(
    session: Session, query: Select[Any], table: type[Record], limit: int, after: str | None, out: Callable[[Any], Out]
) -> Page[Out]:
    """The newest records of a query, at most `limit`, from `after` on: of a table's own, or rows of its columns."""
    if after:
        query = query.where(table.id < after)
    found = session.execute(query.order_by(table.id.desc()).limit(limit + 1))
    rows = list(found.scalars() if len(found.keys()) == 1 else found)
    return Page(items=[out(row) for row in rows[:limit]], next=rows[limit - 1].id if len(rows) > limit else None)


def answer(content: BaseModel) -> Response:
    """What a route gives, as JSON: made in the thread that works for it, with no second look at its types."""
    return Response(content.model_dump_json(), media_type=JSON)


async def config_body(request: Request, caller: Editor, parts: Service) -> dict[str, Any]:
    """A body that is a config: JSON, or YAML as in configs/; nothing of it is read for who may not send one."""
    del caller
    return await read_object(request, limit=parts.settings.limits.config, depth=parts.settings.limits.depth)


ConfigBody = Annotated[dict[str, Any], Depends(config_body)]
EXAMPLES = {
    "quickstart": {
        "summary": "handwritten digits, under two minutes on two cores",
        "value": {"data": {"source": "digits", "size": 16}, "classifier": {"name": "cnn", "steps": 1000}},
    },
    "folder": {
        "summary": "a folder of class folders below the service's data folder",
        "value": {"data": {"source": "folder", "root": "chest", "size": 64}, "train": {"images": 400000}},
    },
}


def described_body(*names: str) -> dict[str, Any]:
    """The OpenAPI description of a body that is a config, or of these of its sections."""
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Config"}
    if names:
        parts = {name: {"$ref": f"#/components/schemas/Config/properties/{name}"} for name in names}
        schema = {"type": "object", "properties": parts, "additionalProperties": False}
    content = {JSON: {"schema": schema, "examples": EXAMPLES}, YAML: {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
