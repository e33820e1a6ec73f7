"""Removing a run: a page that says what would go, and the form that does it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import Response
from sqlalchemy import select

from gan_aug_service.database.tables import ENDED, Job, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.routes.common import Id, Service
from gan_aug_service.routes.runs import remove_run
from gan_aug_service.web.kit.page_route import go
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import EditorForm, EditorReader

router = new_router()


@router.get("/runs/{id}/remove")
def ask(id: Id, visitor: EditorReader, parts: Service) -> Response:  # noqa: A002 - the path's word
    """What would be removed with a run, and a button for it."""
    with parts.database.reading() as session:
        run = session.get(Run, id)
        if run is None or not visitor.caller.sees(run.project):
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no run {id}: look at the jobs")
        jobs = list(session.scalars(select(Job).where(Job.run_id == id).order_by(Job.id)))
    return render("remove.html", visitor, run=run, jobs=jobs, busy=any(job.state not in ENDED for job in jobs))


@router.post("/runs/{id}/remove")
async def remove(id: Id, form: EditorForm, parts: Service) -> Response:  # noqa: A002
    """Remove a run, and go to the job that began it."""
    await remove_run(id, form.visitor.caller, parts)
    return go(f"/jobs/{id}")
