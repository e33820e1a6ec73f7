"""Notices: what others did to what is the user's own."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug_service.routes.common import After, ComponentsDep
from gan_aug_service.routes.projects.notices import list_notices, read_all
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentViewer, ViewerForm
from gan_aug_service.web.kit.rendering import render

router = page_router()


@router.get("/notices")
def notice_list(user: CurrentViewer, components: ComponentsDep, after: After = None) -> Response:
    """The user's notices, newest first."""
    listed = list_notices(user.principal, components, after=after)
    return render("projects/notices.html", user, page=listed, first=after is None)


@router.post("/notices/read")
def mark_read(form: ViewerForm, components: ComponentsDep) -> Response:
    """Mark all of them as read."""
    read_all(form.user.principal, components)
    return redirect("/notices")
