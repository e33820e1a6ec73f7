"""Synthetic sets: listed, described and downloaded."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import FileResponse, StreamingResponse
from sqlalchemy import select

from gan_aug.export.formats import FORMATS, FormatName, either
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.privacy import PrivacyAuditOut
from gan_aug_service.openapi.schemas import Page, RunOut, SyntheticOut
from gan_aug_service.products import release, summaries
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import (
    After,
    ComponentsDep,
    Id,
    Limit,
    ReleaseAnyway,
    leaving_by,
    noted,
    paginate,
    versioned_router,
)

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


@router.get("/synthetic/{id}/audit", responses=problem_responses(404))
def get_audit(id: Id, principal: Viewer, components: ComponentsDep) -> PrivacyAuditOut:
    """What the privacy audit says of a run's synthetic set and model; the verb `audit` makes it."""
    with components.database.reading() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
    return release.privacy_audit(components.settings.runs / run.id)


@router.get(
    "/synthetic/{id}/audit/pairs",
    response_class=FileResponse,
    responses=problem_responses(404) | file_responses("image/png"),
)
def get_nearest_pairs(id: Id, principal: Viewer, components: ComponentsDep) -> FileResponse:
    """The nearest training images (above) and synthetic images (below), for people to look at: the first are real."""
    with components.database.writing() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
        principal.audit(session, "synthetic.nearest_pairs", id)
    return FileResponse(release.nearest_pairs(components.settings.runs / run.id), media_type="image/png")


@router.get(
    "/synthetic/{id}/download",
    response_class=StreamingResponse,
    responses=problem_responses(403, 404, 409) | file_responses(*(row.media_type for row in FORMATS.values())),
)
def download(
    id: Id,
    principal: Viewer,
    components: ComponentsDep,
    format: Annotated[FormatName, Query(description=either(row.download for row in FORMATS.values()))] = "png",
    release_anyway: ReleaseAnyway = None,
) -> StreamingResponse:
    """All images of a synthetic set that passed the privacy audit, sent as they are read from disk."""
    with components.database.reading() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
    leaving = leaving_by(principal, f"download {format}", release_anyway)
    folder = release.leaving_set(components.settings.runs / run.id, leaving)
    with components.database.writing() as session:
        principal.audit(session, "synthetic.download", id, noted(format, release_anyway))
    wanted = FORMATS[format]
    content = wanted.stream(folder)
    headers = {"Content-Disposition": f'attachment; filename="synthetic-{id}{wanted.suffix}"', "X-Synthetic": "true"}
    return StreamingResponse(content, headers=headers, media_type=wanted.media_type)
