"""The service's rules: what jobs may ask for and take, and who may loosen a guard."""

from __future__ import annotations

from gan_aug_service.access.authentication import Viewer
from gan_aug_service.routes.common import ComponentsDep, versioned_router
from gan_aug_service.rules.allowed import Rules
from gan_aug_service.settings import GIGABYTE, Settings

router = versioned_router("rules")


@router.get("/rules")
def get_rules(principal: Viewer, components: ComponentsDep) -> Rules:
    """What a job may ask for and take on this service, who may loosen a guard, and whom to ask for more."""
    del principal
    return rules_of(components.settings)


def rules_of(settings: Settings) -> Rules:
    """The rules of a service with the memory of a job in gigabytes, also if it is a share of this machine's."""
    size = settings.job_memory
    job = settings.rules.job.model_copy(update={"memory": size and round(size / GIGABYTE, 1)})
    return settings.rules.model_copy(update={"job": job})
