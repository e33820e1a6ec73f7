"""Whether the service is there, whether it can work, and its figures."""

from __future__ import annotations

import os
from http import HTTPStatus

from fastapi import APIRouter, Response

import gan_aug
from gan_aug_service.access.caller import Viewer
from gan_aug_service.http.metrics import disk_free
from gan_aug_service.routes.common import Service, faults, gives
from gan_aug_service.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> Health:
    """Whether the service answers; needs no key."""
    return Health(status="ok", version=gan_aug.__version__)


@router.get("/readyz", responses={503: {"model": Health, "description": "a part of the service is away"}})
def readyz(parts: Service, response: Response) -> Health:
    """Whether database and queue are there, and room on the disk; needs no key."""
    state, limits = parts.settings.state, parts.settings.limits
    checks = {
        "database": parts.database.answers(),
        "queue": parts.supervisor.alive,
        "disk": os.access(state, os.W_OK) and disk_free(state) >= limits.free,
    }
    ready = all(checks.values()) and not parts.closing.is_set()
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(status="ok" if ready else "unavailable", version=gan_aug.__version__, checks=checks)


@router.get("/metrics", response_class=Response, responses=faults() | gives("text/plain"))
def metrics(caller: Viewer, parts: Service) -> Response:
    """The service's figures in Prometheus' text format; needs a key."""
    return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
