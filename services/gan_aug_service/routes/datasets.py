"""Data sets: imported into runs, listed and described."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response

from gan_aug_service.access.authentication import Viewer
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.descriptions import config_request_body, problem_responses
from gan_aug_service.openapi.schemas import DatasetOut, JobOut, Page
from gan_aug_service.products import summaries
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import (
    After,
    ComponentsDep,
    ConfigBody,
    Id,
    IdempotencyKey,
    Limit,
    WantedDep,
    versioned_router,
)
from gan_aug_service.routes.jobs import accepted_job
from gan_aug_service.routes.projects.acting import EditorIn
from gan_aug_service.routes.runs import run_page

router = versioned_router("datasets")


@router.post(
    "/datasets",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(400, 409, 413, 415, 507),
    openapi_extra=config_request_body(),
)
def import_dataset(
    config: ConfigBody,
    principal: EditorIn,
    components: ComponentsDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Import a data set into a new run, as the verb `import` does. Later verbs go on in it with ?run=."""
    job, repeated = jobs.submit(components, principal, "import", config, None, idempotency_key)
    return accepted_job(response, job, repeated)


@router.get("/datasets")
def list_datasets(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs that hold an imported data set, newest first unless `sort` says otherwise."""
    return run_page(principal, components, wanted, limit, after, "dataset")


@router.get("/datasets/{id}", responses=problem_responses(404))
def get_dataset(id: Id, principal: Viewer, components: ComponentsDep) -> DatasetOut:
    """The data set of a run: labels, counts and fingerprint, but no images."""
    with components.database.reading() as session:
        run = jobs.find_run(session, principal, id, "dataset", "dataset")
    return summaries.dataset(components.settings.runs / run.id)
