"""Models: trained generators and their downloads."""

from __future__ import annotations

from fastapi.responses import StreamingResponse
from sqlalchemy import select

from gan_aug.export.streams import zip_of_files
from gan_aug.run import layout
from gan_aug_service.access.caller import Caller, Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.parts import Parts
from gan_aug_service.products import summaries as products
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, Id, Limit, Service, faults, gives, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import ModelOut, Page, RunOut

router = new_router("models")


@router.get("/models")
def list_models(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold a trained generator, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Run).where(Run.model), Run), Run, limit, after, RunOut.of)


@router.get("/models/{id}", responses=faults(404, 409))
def get_model(id: Id, caller: Viewer, parts: Service) -> ModelOut:  # noqa: A002 - the path's word
    """The newest whole checkpoint of a run."""
    return products.model(parts.settings.runs / found(parts, caller, id, "model.read"))


@router.get(
    "/models/{id}/download", response_class=StreamingResponse, responses=faults(404, 409) | gives("application/zip")
)
def download(id: Id, caller: Viewer, parts: Service) -> StreamingResponse:  # noqa: A002
    """The averaged generator and its record as a zip; never the discriminator, which leaks who was trained on."""
    from gan_aug.gan.state import GENERATOR, RECORD, newest_checkpoint

    run = parts.settings.runs / found(parts, caller, id, "model.download")
    products.newest_record(run)
    newest = newest_checkpoint(run / layout.TRAIN / layout.CHECKPOINTS)
    if newest is None:
        raise products.no_checkpoint(run)
    headers = {"Content-Disposition": f'attachment; filename="model-{id}.zip"'}
    content = zip_of_files(newest.path, [RECORD, GENERATOR])
    return StreamingResponse(content, headers=headers, media_type="application/zip")


def found(parts: Parts, caller: Caller, run_id: str, action: str) -> str:
    """The run of a model that this caller may see; what was asked of it is written down."""
    with parts.database.reading() as session:
        jobs.find_run(session, caller, run_id, "model", "model")
    if action != "model.read":
        with parts.database.writing() as session:
            caller.audit(session, action, run_id)
    return run_id
