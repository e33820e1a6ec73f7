"""Models: trained generators, listed, described and downloaded."""

from __future__ import annotations

import json

from fastapi.responses import StreamingResponse
from sqlalchemy import select

from gan_aug.data.pictures.marks import archive_marks
from gan_aug.export.streams import file_member, zip_of
from gan_aug.privacy.gate import release_model
from gan_aug.run import layout
from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.schemas import ModelOut, Page, RunOut
from gan_aug_service.products import summaries
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

router = versioned_router("models")


@router.get("/models")
def list_models(principal: Viewer, components: ComponentsDep, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold a trained generator, newest first."""
    with components.database.reading() as session:
        return paginate(session, principal.visible(select(Run).where(Run.model), Run), Run, limit, after, RunOut.of)


@router.get("/models/{id}", responses=problem_responses(404, 409))
def get_model(id: Id, principal: Viewer, components: ComponentsDep) -> ModelOut:
    """The checkpoint that is a run's GAN: the best one by its scores, else the newest complete one."""
    return summaries.model(components.settings.runs / find_model_run(components, principal, id, "model.read"))


@router.get(
    "/models/{id}/download",
    response_class=StreamingResponse,
    responses=problem_responses(403, 404, 409) | file_responses("application/zip"),
)
def download(
    id: Id, principal: Viewer, components: ComponentsDep, release_anyway: ReleaseAnyway = None
) -> StreamingResponse:
    """The averaged generator and its record as a zip; never the discriminator, which reveals its training images.

    The privacy audit must allow it. The record says how many images the training had and the data set's fingerprint,
    and has no hash of an image.
    """
    from gan_aug.gan.chosen import chosen_checkpoint
    from gan_aug.gan.state import GENERATOR, RECORD, released_record

    run = components.settings.runs / find_model_run(components, principal, id, "model.read")
    summaries.checkpoint_record(run)
    chosen = chosen_checkpoint(run / layout.TRAIN)
    if chosen is None:
        raise summaries.no_checkpoint(run)
    release_model(run, chosen.id, leaving_by(principal, "download", release_anyway))
    with components.database.writing() as session:
        principal.audit(session, "model.download", id, noted("generator", release_anyway))
    headers = {"Content-Disposition": f'attachment; filename="model-{id}.zip"'}
    record = json.dumps(released_record(chosen), indent=2, ensure_ascii=False).encode()
    marks = archive_marks({"checkpoint": chosen.id, "labels": list(chosen.labels)}, "The images that this model makes")
    members = [*((name, [part]) for name, part in (*marks, (RECORD, record))), file_member(chosen.path, GENERATOR)]
    return StreamingResponse(zip_of(members), headers=headers, media_type="application/zip")


def find_model_run(components: Components, principal: Principal, run_id: str, action: str) -> str:
    """The run of a model; unless it was only read, the audit records the action.

    Args:
        components: The service's components.
        principal: Who asks.
        run_id: The run.
        action: What is done with the model, such as `model.download`.

    Returns:
        The run's id.

    Raises:
        Problem: The principal cannot see a model of that run.
    """
    with components.database.reading() as session:
        jobs.find_run(session, principal, run_id, "model", "model")
    if action != "model.read":
        with components.database.writing() as session:
            principal.audit(session, action, run_id)
    return run_id
