"""The page Data: uploads, the folders and archives that the administrator gave, and how much of the disk is taken."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug.data.dicom.web.http import host
from gan_aug.data.locate import is_hidden
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Upload
from gan_aug_service.openapi.described import UploadOut
from gan_aug_service.records.catalogue.about import describe_upload
from gan_aug_service.records.catalogue.usage import disk_usage
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.uploads import delete_upload, get_upload, list_uploads
from gan_aug_service.web.kit.about_form import about_page, read_about
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import local_path, page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentEditor, CurrentViewer, EditorForm
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import PAGE_SIZE

router = page_router()
MOST_FOLDERS = 200


@router.get("/data")
def data(user: CurrentViewer, components: ComponentsDep, wanted: WantedDep, after: After = None) -> Response:
    """Uploads, folders, archives, and the disk."""
    return render(
        "data/overview.html",
        user,
        page=list_uploads(user.principal, components, wanted, limit=PAGE_SIZE, after=after),
        filters=filters_of(components, user, "/data", wanted, table=Upload),
        folders=_folders(components),
        archives=[host(url) for url, _ in components.settings.archives],
        usage=disk_usage(components, user.principal),
        quota=components.settings.limits.uploads,
    )


@router.get("/data/uploads/{id}/about")
def edit_upload(id: Id, user: CurrentEditor, components: ComponentsDep, next: str = "/data") -> Response:
    """The form with an upload's title, tags and notes."""
    upload = get_upload(id, user.principal, components)
    sent = {"title": upload.title, "tags": ", ".join(upload.tags), "notes": upload.notes}
    return about_page(user, f"/data/uploads/{id}/about", upload.title, sent, local_path(next))


@router.post("/data/uploads/{id}/about")
def change_upload(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Change an upload's title, tags and notes, and go back."""
    back, upload = local_path(form.text("next") or "/data"), get_upload(id, form.user.principal, components)
    about, faults = read_about(form)
    if about is None:
        sent = {name: form.text(name) for name in ("title", "tags", "notes")}
        return about_page(form.user, f"/data/uploads/{id}/about", upload.title, sent, back, faults)
    describe_upload(components, form.user.principal, id, about)
    return redirect(back)


@router.get("/data/uploads/{id}/remove")
def confirm_removal(id: Id, user: CurrentEditor, components: ComponentsDep) -> Response:
    """What would be removed, and a button that removes it."""
    upload: UploadOut = get_upload(id, user.principal, components)
    return render("data/remove.html", user, upload=upload)


@router.post("/data/uploads/{id}/remove")
def remove(id: Id, form: EditorForm, components: ComponentsDep) -> Response:
    """Remove an upload."""
    delete_upload(id, form.user.principal, components)
    return redirect("/data")


def _folders(components: Components) -> list[str]:
    """The folders at the top of the data folder."""
    top = components.settings.data
    if top is None:
        return []
    found = [entry.name for entry in top.iterdir() if entry.is_dir() and not is_hidden(entry.name)]
    return sorted(found, key=str.casefold)[:MOST_FOLDERS]
