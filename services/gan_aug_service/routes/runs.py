"""Runs: listed, named, and removed with all that they hold."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.authentication import Editor, Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.described import AboutIn, RunOut
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.records import jobs, removal
from gan_aug_service.records.catalogue import about as names
from gan_aug_service.records.catalogue.lists import Wanted, filtered, order_of
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, WantedDep, paginate, versioned_router

router = versioned_router("runs")


@router.get("/runs")
def list_runs(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs of the key's project, newest first unless `sort` says otherwise."""
    return run_page(principal, components, wanted, limit, after)


def run_page(
    principal: Principal,
    components: Components,
    wanted: Wanted,
    limit: int,
    after: str | None,
    product: str | None = None,
) -> Page[RunOut]:
    """One page of the runs that a principal can see.

    Args:
        principal: Who asks.
        components: The service's components.
        wanted: Which runs, and in which order.
        limit: How many runs to give at most.
        after: The id after which the page begins.
        product: The product that they must hold.

    Returns:
        The page.
    """
    query = filtered(principal.visible(select(Run), Run), wanted, Run)
    if product:
        query = query.where(getattr(Run, product))
    with components.database.reading() as session:
        return paginate(session, query, Run, limit, after, RunOut.of, order_of(wanted, Run))


@router.get("/runs/{id}", responses=problem_responses(404))
def get_run(id: Id, principal: Viewer, components: ComponentsDep) -> RunOut:
    """A run: what it is called, who made it, and which products it holds."""
    with components.database.reading() as session:
        return RunOut.of(jobs.find_run(session, principal, id, "run"))


@router.patch("/runs/{id}", responses=problem_responses(404))
def describe_run(id: Id, about: AboutIn, principal: Editor, components: ComponentsDep) -> RunOut:
    """Change a run's title, tags or notes. Its jobs, data set, model, synthetic set and report are called so too."""
    return RunOut.of(names.describe_run(components, principal, id, about))


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
