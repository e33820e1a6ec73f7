"""Models: trained generators, listed and described."""

from __future__ import annotations

from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import ModelOut, Page
from gan_aug_service.products import summaries
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, WantedDep, versioned_router
from gan_aug_service.routes.runs import run_page

router = versioned_router("models")


@router.get("/models")
def list_models(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs that hold a trained generator, newest first unless `sort` says otherwise."""
    return run_page(principal, components, wanted, limit, after, "model")


@router.get("/models/{id}", responses=problem_responses(404, 409))
def get_model(id: Id, principal: Viewer, components: ComponentsDep) -> ModelOut:
    """The checkpoint that is a run's GAN: the best one by its scores, else the newest complete one."""
    return summaries.model(components.settings.runs / find_model_run(components, principal, id, "model.read"))


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
