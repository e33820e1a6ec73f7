"""Synthetic sets: listed, looked at and downloaded."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from gan_aug.export.formats import FORMATS, FormatName
from gan_aug_service.access.caller import Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.products import summaries as products
from gan_aug_service.products.files import written
from gan_aug_service.products.synthetic_images import MANIFEST
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, Id, Limit, Service, faults, gives, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import Page, RunOut, SyntheticOut

router = new_router("synthetic")


@router.get("/synthetic")
def list_synthetic(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold a synthetic set, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Run).where(Run.synthetic), Run), Run, limit, after, RunOut.of)


@router.get("/synthetic/{id}", responses=faults(404))
def get_synthetic(id: Id, caller: Viewer, parts: Service) -> SyntheticOut:  # noqa: A002 - the path's word
    """The synthetic set of a run."""
    with parts.database.reading() as session:
        run = jobs.find_run(session, caller, id, "synthetic", "synthetic")
    return products.synthetic(parts.settings.runs / run.id)


@router.get(
    "/synthetic/{id}/download",
    response_class=StreamingResponse,
    responses=faults(404) | gives(*(row.media_type for row in FORMATS.values())),
)
def download(
    id: Id,  # noqa: A002
    caller: Viewer,
    parts: Service,
    format: Annotated[FormatName, Query(description=", or ".join(row.download for row in FORMATS.values()))] = "png",  # noqa: A002
) -> StreamingResponse:
    """All images of a synthetic set, as they are read from disk."""
    with parts.database.writing() as session:
        run = jobs.find_run(session, caller, id, "synthetic", "synthetic")
        caller.audit(session, "synthetic.download", id, format)
    folder = (parts.settings.runs / run.id / MANIFEST).parent
    written(folder.parent, MANIFEST)
    wanted = FORMATS[format]
    content = wanted.stream(folder)
    headers = {"Content-Disposition": f'attachment; filename="synthetic-{id}{wanted.suffix}"'}
    return StreamingResponse(content, headers=headers, media_type=wanted.media_type)
