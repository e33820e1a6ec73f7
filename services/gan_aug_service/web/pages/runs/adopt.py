"""Adopting runs of the command line: for administrators, from the folders that the service may read."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from fastapi.responses import Response

from gan_aug.errors import GanAugError, RunConflict
from gan_aug.run.folder import present_products
from gan_aug.run.title import read_title
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Key
from gan_aug_service.records.adoption import adopt, adoptable_folders, adopted_before, readable_folders
from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import AdminForm, CurrentAdmin, PageUser
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/adopt")
def adoptable(user: CurrentAdmin, components: ComponentsDep) -> Response:
    """The runs that can be adopted."""
    return _page(components, user)


@router.post("/adopt")
def adopt_run(form: AdminForm, components: ComponentsDep) -> Response:
    """Adopt a run for the user's project, and go to its page."""
    settings, principal = components.settings, form.user.principal
    try:
        folder = _below(components, form.text("folder"))
        with components.database.reading() as session:
            key = session.get_one(Key, principal.key_id)
        done = adopt(settings, components.database, folder, principal.project, key, principal.name)
    except GanAugError as error:
        return _page(components, form.user, settings.hide_paths(str(error)), error.http_status or HTTPStatus.CONFLICT)
    return redirect(f"/jobs/{done.run}")


def _below(components: Components, text: str) -> Path:
    """The folder that a form names as `NUMBER:PATH`, below one that the service may read."""
    number, _, inside = text.partition(":")
    places = readable_folders(components.settings)
    if number.isdecimal() and int(number) < len(places) and "\0" not in inside:
        top = places[int(number)].resolve()
        folder = (top / inside).resolve()
        if folder.is_relative_to(top):
            return folder
    raise RunConflict("this is no folder that may be adopted: choose one of the list")


def _page(components: Components, user: PageUser, fault: str | None = None, status: int = HTTPStatus.OK) -> Response:
    places = [place.resolve() for place in readable_folders(components.settings)]
    rows = []
    with components.database.reading() as session:
        for folder in adoptable_folders(components.settings):
            number = next(k for k, place in enumerate(places) if folder.is_relative_to(place))
            inside = folder.relative_to(places[number])
            rows.append(
                {
                    "value": f"{number}:{inside}",
                    "path": str(inside) if str(inside) != "." else folder.name,
                    "title": read_title(folder),
                    "products": [name for name, there in present_products(folder).items() if there],
                    "before": adopted_before(session, folder),
                }
            )
    return render("jobs/adopt.html", user, status=status, rows=rows, fault=fault, readable=bool(places))
