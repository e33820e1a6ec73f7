"""The service's rules as a page: what jobs may ask for and take, and who may loosen a guard."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.routes.rules import rules_of
from gan_aug_service.rules.ceilings import TOTALS
from gan_aug_service.rules.guards import GUARDS
from gan_aug_service.web.kit import config_form
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/rules")
def rules(user: CurrentViewer, components: ComponentsDep) -> Response:
    """Ceilings of keys and totals, the memory and time of a job, and the guards of patients."""
    fields = config_form.fields()
    return render(
        "jobs/rules.html",
        user,
        rules=rules_of(components.settings),
        about={key: field.description for key, field in fields.items()},
        totals={name: total.what for name, total in TOTALS.items()},
        guards=GUARDS,
    )
