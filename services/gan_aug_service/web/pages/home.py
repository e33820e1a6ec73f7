"""The home page: running and queued jobs, those that ended last, and where to begin."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug_service.database.tables import JobState
from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.routes.jobs import list_job_page
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import render

router = page_router()
RECENT = 10


@router.get("/")
def home(user: CurrentViewer, components: ComponentsDep) -> Response:
    """Running and queued jobs, and those of the newest that have ended."""
    running = list_job_page(user.principal, components, state=JobState.RUNNING).items
    queued = list_job_page(user.principal, components, state=JobState.QUEUED).items
    recent = list_job_page(user.principal, components, limit=RECENT).items
    ended = [job for job in recent if job.state.ended]
    return render("jobs/home.html", user, running=running, queued=queued, ended=ended)
