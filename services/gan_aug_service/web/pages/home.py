"""Home: what is at work, what ended last, and where to begin."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug_service.database.tables import JobState
from gan_aug_service.routes.common import Service
from gan_aug_service.routes.jobs import listed
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import Reader

router = new_router()
RECENT = 10


@router.get("/")
def home(visitor: Reader, parts: Service) -> Response:
    """Running and waiting jobs, and the newest of all."""
    running = listed(visitor.caller, parts, state=JobState.RUNNING).items
    queued = listed(visitor.caller, parts, state=JobState.QUEUED).items
    recent = listed(visitor.caller, parts, limit=RECENT).items
    ended = [job for job in recent if job.state.ended]
    return render("home.html", visitor, running=running, queued=queued, ended=ended)
