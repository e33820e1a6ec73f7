"""Runs: removed with all that they hold."""

from __future__ import annotations

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.caller import Editor
from gan_aug_service.records import removal
from gan_aug_service.routes.common import Id, Service, faults
from gan_aug_service.routes.common import router as new_router

router = new_router("runs")


@router.delete("/runs/{id}", status_code=HTTPStatus.NO_CONTENT, responses=faults(404, 409))
async def remove_run(id: Id, caller: Editor, parts: Service) -> None:  # noqa: A002 - the path's word
    """Remove all that a run holds: data set, model, synthetic set, report, logs; its jobs stay as records.

    No job of it may wait or work. It cannot be undone, and does not reach backups.
    """
    await run_in_threadpool(removal.remove_run, parts, caller, id)
    parts.samplers.let_go()
