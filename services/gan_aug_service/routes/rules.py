"""The service's rules: what jobs may ask for and take, and who may loosen a guard."""

from __future__ import annotations

from gan_aug_service.access.authentication import Viewer
from gan_aug_service.routes.common import ComponentsDep, versioned_router
from gan_aug_service.rules.allowed import Rules

router = versioned_router("rules")


@router.get("/rules")
def get_rules(principal: Viewer, components: ComponentsDep) -> Rules:
    """What a job may ask for and take on this service, who may loosen a guard, and whom to ask for more."""
    del principal
    return components.settings.rules.complete()
