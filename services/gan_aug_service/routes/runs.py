"""Runs: removed with all that they hold."""

from __future__ import annotations

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.authentication import Editor
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.records import removal
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router

router = versioned_router("runs")


@router.delete("/runs/{id}", status_code=HTTPStatus.NO_CONTENT, responses=problem_responses(404, 409, 507))
async def remove_run(id: Id, principal: Editor, components: ComponentsDep) -> None:
    """Remove all that a run holds: data set, model, synthetic set, report and logs. Its jobs stay as records.

    What was cached of its data set goes with the last run of it. None of its jobs may be queued or running. It cannot
    be undone, and does not reach backups.
    """
    try:
        await run_in_threadpool(removal.remove_run, components, principal, id)
    finally:
        components.samplers.evict_removed()
