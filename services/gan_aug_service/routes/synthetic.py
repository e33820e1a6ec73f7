"""Synthetic sets: listed, described and downloaded."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from gan_aug.export.formats import FORMATS, FormatName, either
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.schemas import Page, RunOut, SyntheticOut
from gan_aug_service.products import summaries
from gan_aug_service.products.files import modified_ns
from gan_aug_service.products.synthetic_images import MANIFEST
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, paginate, versioned_router

router = versioned_router("synthetic")


@router.get("/synthetic")
def list_synthetic(
    principal: Viewer, components: ComponentsDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs that hold a synthetic set, newest first."""
    with components.database.reading() as session:
        return paginate(session, principal.visible(select(Run).where(Run.synthetic), Run), Run, limit, after, RunOut.of)


@router.get("/synthetic/{id}", responses=problem_responses(404))
def get_synthetic(id: Id, principal: Viewer, components: ComponentsDep) -> SyntheticOut:
    """The synthetic set of a run."""
    with components.database.reading() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
    return summaries.synthetic(components.settings.runs / run.id)


@router.get(
    "/synthetic/{id}/download",
    response_class=StreamingResponse,
    responses=problem_responses(404) | file_responses(*(row.media_type for row in FORMATS.values())),
)
def download(
    id: Id,
    principal: Viewer,
    components: ComponentsDep,
    format: Annotated[FormatName, Query(description=either(row.download for row in FORMATS.values()))] = "png",
) -> StreamingResponse:
    """All images of a synthetic set, sent as they are read from disk."""
    with components.database.writing() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
        principal.audit(session, "synthetic.download", id, format)
    folder = (components.settings.runs / run.id / MANIFEST).parent
    modified_ns(folder.parent, MANIFEST)
    wanted = FORMATS[format]
    content = wanted.stream(folder)
    headers = {"Content-Disposition": f'attachment; filename="synthetic-{id}{wanted.suffix}"', "X-Synthetic": "true"}
    return StreamingResponse(content, headers=headers, media_type=wanted.media_type)
