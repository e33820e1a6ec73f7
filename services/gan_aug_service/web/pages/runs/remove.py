"""Removing a run: a page that lists what would be removed, and the form that removes it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import Response
from sqlalchemy import select

from gan_aug_service.database.tables import ENDED, Job, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.records.ownership import may_end, name_of, owner_of_run
from gan_aug_service.records.projects import managers
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.routes.runs import remove_run
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentEditor, EditorForm
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/runs/{id}/remove")
def confirm_removal(id: Id, user: CurrentEditor, components: ComponentsDep) -> Response:
    """What would be removed with a run, and a button that removes it."""
    with components.database.reading() as session:
        run = session.get(Run, id)
        if run is None or not user.principal.can_see(run.project):
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no run {id}: look at the jobs")
        owner = owner_of_run(session, id)
        whose = None if may_end(user.principal, owner) else name_of(session, owner)
        ask = managers(session, run.project)
        jobs = list(session.scalars(select(Job).where(Job.run_id == id).order_by(Job.id)))
    busy = any(job.state not in ENDED for job in jobs)
    return render("jobs/remove.html", user, run=run, jobs=jobs, busy=busy, whose=whose, ask=ask)


@router.post("/runs/{id}/remove")
async def remove(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Remove a run, and go to the job that began it."""
    await remove_run(id, form.user.principal, components)
    return redirect(f"/jobs/{id}")
