"""One upload or folder before it is imported: its classes, what an import would say, and small pictures."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import Response

from gan_aug.errors import DataError
from gan_aug_service.database.naming import upload_of
from gan_aug_service.http.problems import Problem
from gan_aug_service.products.thumbnails import contact_sheet
from gan_aug_service.records.allowed_paths import resolve_root
from gan_aug_service.records.jobs import owns_upload
from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.routes.data import Root, look_at
from gan_aug_service.routes.uploads import get_upload
from gan_aug_service.web.kit.etag import PNG
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentEditor
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/data/look")
def look(root: Root, user: CurrentEditor, components: ComponentsDep) -> Response:
    """What an import would find in an upload or a folder."""
    found, upload = look_at(components, user.principal, root), upload_of(root)
    return render(
        "data/look.html",
        user,
        place=root,
        found=found,
        fault=components.settings.hide_paths(found.fault),
        upload=get_upload(upload, user.principal, components) if upload else None,
        shown=list(dict.fromkeys(label for label, _ in found.samples)),
    )


@router.get("/data/look/{label}.png")
def sheet(label: int, root: Root, user: CurrentEditor, components: ComponentsDep) -> Response:
    """Small pictures of the class with this number. The audit records who looked; no browser caches it."""
    principal = user.principal
    folder = resolve_root(root, components.settings, lambda upload: owns_upload(components, principal, upload))
    samples = look_at(components, principal, root).samples
    names = list(dict.fromkeys(name for name, _ in samples))
    if not 0 <= label < len(names):
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no class {label} to show: load the page again")
    paths = [folder / path for name, path in samples if name == names[label]]
    try:
        picture = contact_sheet(paths)
    except DataError as error:
        raise Problem(HTTPStatus.NOT_FOUND, components.settings.hide_paths(str(error))) from error
    with components.database.writing() as session:
        principal.audit(session, "data.look", upload_of(root) or None, f"{root[:200]}, class {label}")
    return Response(picture, media_type=PNG)
