"""What a run is called and what is said of it, changed in a form."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug_service.openapi.described import RunOut
from gan_aug_service.records.catalogue.about import describe_run
from gan_aug_service.records.jobs import find_run
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.web.kit.about_form import about_page, read_about
from gan_aug_service.web.kit.page_route import local_path, page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentEditor, EditorForm

router = page_router()


@router.get("/runs/{id}/about")
def edit_run(id: Id, user: CurrentEditor, components: ComponentsDep, next: str = "") -> Response:
    """The form with a run's title, tags and notes."""
    with components.database.reading() as session:
        run = RunOut.of(find_run(session, user.principal, id, "run"))
    sent = {"title": run.title, "tags": ", ".join(run.tags), "notes": run.notes}
    back = local_path(next) if next else f"/jobs/{id}"
    return about_page(user, f"/runs/{id}/about", run.title, sent, back)


@router.post("/runs/{id}/about")
def change_run(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Change a run's title, tags and notes, and go back; if there is a fault, show the form as it was sent."""
    back = local_path(form.text("next") or f"/jobs/{id}")
    with components.database.reading() as session:
        name = find_run(session, form.user.principal, id, "run").title
    about, faults = read_about(form)
    if about is None:
        sent = {field: form.text(field) for field in ("title", "tags", "notes")}
        return about_page(form.user, f"/runs/{id}/about", name, sent, back, faults)
    describe_run(components, form.user.principal, id, about)
    return redirect(back)
