"""What routes share: parameters, the components, pages of records, and bodies that are configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import Session

from gan_aug_service.access.authentication import Editor
from gan_aug_service.components import Components, components_of
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, Job, Key, Run, Upload
from gan_aug_service.http.bodies import JSON, read_object
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import Page

Id = Annotated[str, Path(pattern=ID_PATTERN)]
Limit = Annotated[int, Query(ge=1, le=200, description="records on a page")]
After = Annotated[str | None, Query(pattern=ID_PATTERN, description="the `next` of the page before")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,128}$",
        description="the same key with the same request makes nothing new",
        examples=["4711"],
    ),
]


async def _get_components(request: Request) -> Components:
    return components_of(request)  # FastAPI would call a function that is not async in a thread


ComponentsDep = Annotated[Components, Depends(_get_components)]
"""The components as a parameter of a route."""

Record = TypeVar("Record", Job, Run, Upload, Key, AuditEntry)
Out = TypeVar("Out")


def versioned_router(tag: str) -> APIRouter:
    """A router for the versioned paths of one resource."""
    return APIRouter(prefix="/v1", tags=[tag], responses=problem_responses())


def paginate(
    session: Session, query: Select[Any], table: type[Record], limit: int, after: str | None, out: Callable[[Any], Out]
) -> Page[Out]:
    """One page of the records of a query, newest first.

    Args:
        session: A session.
        query: It selects records of `table`, or some of its columns.
        table: The table.
        limit: How many records to give at most.
        after: The id after which the page begins; None for the first page.
        out: Makes the answer for a record or a row.

    Returns:
        The page.
    """
    if after:
        query = query.where(table.id < after)
    found = session.execute(query.order_by(table.id.desc()).limit(limit + 1))
    rows = list(found.scalars() if len(found.keys()) == 1 else found)
    return Page(items=[out(row) for row in rows[:limit]], next=rows[limit - 1].id if len(rows) > limit else None)


def json_response(content: BaseModel) -> Response:
    """A model as JSON; made in the route's own thread, and not validated a second time by FastAPI."""
    return Response(content.model_dump_json(), media_type=JSON)


async def config_body(request: Request, principal: Editor, components: ComponentsDep) -> dict[str, Any]:
    """A body that is a config, as JSON or YAML; it is read only if the key is an editor's."""
    del principal
    return await read_object(request, limit=components.settings.limits.config, depth=components.settings.limits.depth)


ConfigBody = Annotated[dict[str, Any], Depends(config_body)]
