"""What routes share: parameters, the components, pages of records, and bodies that are configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

from gan_aug_service.access.authentication import Editor
from gan_aug_service.components import Components, components_of
from gan_aug_service.database.invitation_tables import Invitation
from gan_aug_service.database.tables import ID_PATTERN, AuditEntry, Job, Key, Run, Upload
from gan_aug_service.http.bodies import JSON, read_object
from gan_aug_service.http.prefix import prefixed
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.records.catalogue.lists import Order, Sort, Wanted

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


def public_address(request: Request) -> str:
    """The service's address as browsers know it, without a slash at its end."""
    return components_of(request).settings.public_url or str(request.base_url).rstrip("/") + prefixed("")


ComponentsDep = Annotated[Components, Depends(_get_components)]
"""The components as a parameter of a route."""


async def _wanted(
    q: Annotated[str, Query(max_length=200, description="words of the title, source, tags, notes or verdict")] = "",
    project: Annotated[str, Query(max_length=200, description="of this project alone")] = "",
    owner: Annotated[str, Query(max_length=200, description="made by the one of this name")] = "",
    tag: Annotated[str, Query(max_length=200, description="with this tag")] = "",
    label: Annotated[str, Query(max_length=200, description="of runs: whose data set has this label")] = "",
    sort: Annotated[Sort, Query(description="the order; `longest` is for jobs")] = Sort.NEWEST,
) -> Wanted:
    return Wanted(q, project, owner, tag, label, sort)


WantedDep = Annotated[Wanted, Depends(_wanted)]
"""What a list is to show, as parameters of a route."""

Record = TypeVar("Record", Job, Run, Upload, Key, Invitation, AuditEntry)
Out = TypeVar("Out")


def versioned_router(tag: str) -> APIRouter:
    """A router for the versioned paths of one resource."""
    return APIRouter(prefix="/v1", tags=[tag], responses=problem_responses())


def paginate(
    session: Session, query: Select[Any], table: type[Record], limit: int, after: str | None, out: Callable[[Any], Out],
    order: Order | None = None,
) -> Page[Out]:  # fmt: skip
    """One page of the records of a query.

    Args:
        session: A session.
        query: It selects records of `table`, or some of its columns.
        table: The table.
        limit: How many records to give at most.
        after: The id after which the page begins; None for the first page.
        out: Makes the answer for a record or a row.
        order: The order; without one, the newest first.

    Returns:
        The page.
    """
    column, descending = order or Order(table.id, True)
    if after:
        of_last = query.with_only_columns(column, maintain_column_froms=True).where(table.id == after)
        last = (after if order is None or column is table.id else session.scalar(of_last), after)
        place = tuple_(column, table.id)
        query = query.where(place < last if descending else place > last)
    both = (column, table.id)
    found = session.execute(query.order_by(*(part.desc() if descending else part for part in both)).limit(limit + 1))
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
