"""Whether the service answers, whether it can work, and its metrics."""

from __future__ import annotations

import os
from http import HTTPStatus

from fastapi import APIRouter, Response

import gan_aug
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.http.metrics import disk_free
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.schemas import Health
from gan_aug_service.routes.common import ComponentsDep

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> Health:
    """Whether the service answers; needs no key."""
    return Health(status="ok", version=gan_aug.__version__)


@router.get("/readyz", responses={503: {"model": Health, "description": "a part of the service is away"}})
def readyz(components: ComponentsDep, response: Response) -> Health:
    """Whether the database, the queue and the disk are ready; needs no key."""
    state, limits = components.settings.state, components.settings.limits
    checks = {
        "database": components.database.answers(),
        "queue": components.supervisor.alive,
        "disk": os.access(state, os.W_OK) and disk_free(state) >= limits.free,
    }
    ready = all(checks.values()) and not components.closing.is_set()
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(status="ok" if ready else "unavailable", version=gan_aug.__version__, checks=checks)


@router.get("/metrics", response_class=Response, responses=problem_responses() | file_responses("text/plain"))
def metrics(principal: Viewer, components: ComponentsDep) -> Response:
    """The service's metrics in Prometheus' text format; needs a key."""
    return Response(components.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
