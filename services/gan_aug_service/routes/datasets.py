"""Data sets: imported into a run from the service's data folder or an upload, and looked at."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response
from sqlalchemy import select

from gan_aug_service.access.caller import Editor, Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.products import summaries as products
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import (
    After,
    ConfigBody,
    Id,
    IdempotencyKey,
    Limit,
    Service,
    described_body,
    faults,
    page,
)
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import DatasetOut, JobOut, Page, RunOut

router = new_router("datasets")


@router.post(
    "/datasets",
    status_code=HTTPStatus.ACCEPTED,
    responses=faults(400, 409, 413, 415, 507),
    openapi_extra=described_body(),
)
def import_dataset(
    config: ConfigBody, caller: Editor, parts: Service, response: Response, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Import a data set into a new run: the same as the verb `import`. Later verbs go on with ?run=."""
    job, repeated = jobs.submit(parts, caller, "import", config, None, idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return JobOut.of(job)


@router.get("/datasets")
def list_datasets(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold an imported data set, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Run).where(Run.dataset), Run), Run, limit, after, RunOut.of)


@router.get("/datasets/{id}", responses=faults(404))
def get_dataset(id: Id, caller: Viewer, parts: Service) -> DatasetOut:  # noqa: A002 - the path's word
    """The data set of a run: labels, counts and fingerprint; no image leaves the service."""
    with parts.database.reading() as session:
        run = jobs.find_run(session, caller, id, "dataset", "dataset")
    return products.dataset(parts.settings.runs / run.id)
