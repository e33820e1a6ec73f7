"""The nearest pairs of the privacy audit, real images above synthetic ones, for those who may see real images."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug.privacy.record import verdict
from gan_aug_service.products.release import nearest_pairs, releasable
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.routes.synthetic import get_nearest_pairs
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentSeesRealImages
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import find_run

router = page_router()


@router.get("/synthetic/{id}/pairs")
def pairs_page(id: Id, user: CurrentSeesRealImages, components: ComponentsDep) -> Response:
    """The nearest pairs as a picture, and how near each is."""
    run = find_run(user, components, id, "synthetic")
    folder = components.settings.runs / run.id
    nearest_pairs(folder)  # a 404 before the page, if there is none
    audit = releasable(folder, "set").audit
    pairs = audit["copies"]["nearest"] if audit else []
    return render("release/pairs.html", user, run=run, verdict=verdict(audit) if audit else "", pairs=pairs)


@router.get("/synthetic/{id}/pairs.png")
def pairs_picture(id: Id, user: CurrentSeesRealImages, components: ComponentsDep) -> Response:
    """The picture; the audit records each look, and no browser caches it."""
    return get_nearest_pairs(id, user.principal, components)
