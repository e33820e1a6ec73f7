"""Synthetic sets: listed and described, and what the privacy audit says of them."""

from __future__ import annotations

from fastapi.responses import FileResponse

from gan_aug_service.access.authentication import SeesRealImages, Viewer
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.privacy import PrivacyAuditOut
from gan_aug_service.openapi.schemas import Page, SyntheticOut
from gan_aug_service.products import release, summaries
from gan_aug_service.records import jobs
from gan_aug_service.records.catalogue.lists import order_of
from gan_aug_service.records.sharing import find_set, seen_sets, visible_sets
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, WantedDep, paginate, versioned_router

router = versioned_router("synthetic")


@router.get("/synthetic")
def list_synthetic(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[RunOut]:
    """Runs that hold a synthetic set, newest first unless `sort` says otherwise.

    Of projects that share with the key's, those that were released; they are searched by their titles alone.
    """
    with components.database.reading() as session:
        page = paginate(session, visible_sets(principal, wanted), Run, limit, after, RunOut.of, order_of(wanted, Run))
    return Page(items=seen_sets(components, principal, page.items), next=page.next)


@router.get("/synthetic/{id}", responses=problem_responses(404))
def get_synthetic(id: Id, principal: Viewer, components: ComponentsDep) -> SyntheticOut:
    """The synthetic set of a run; of another project, the one that was released and is shared."""
    seen = find_set(components, principal, id)
    return summaries.synthetic(components.settings.runs / seen.run.id, seen.place)


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
def get_nearest_pairs(id: Id, principal: SeesRealImages, components: ComponentsDep) -> FileResponse:
    """The nearest training images (above) and synthetic images (below), for people to look at: the first are real.

    They are for those who may see real images: editors, releasers and admins. The audit records each look.
    """
    with components.database.writing() as session:
        run = jobs.find_run(session, principal, id, "synthetic", "synthetic")
        principal.audit(session, "synthetic.nearest_pairs", id)
    return FileResponse(release.nearest_pairs(components.settings.runs / run.id), media_type="image/png")
