"""Projects: a list and a form that makes one; a page of each with its members, and with whom it shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy import select

from gan_aug.errors import ConfigError, RunConflict
from gan_aug_service.components import Components
from gan_aug_service.database.sharing_tables import Project
from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.projects import MemberChange, ProjectChange, ProjectIn, ShareIn
from gan_aug_service.routes.common import After, ComponentsDep, Id
from gan_aug_service.routes.projects import members, projects
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import AdminForm, CurrentViewer, PageUser, ViewerForm
from gan_aug_service.web.kit.rendering import render

router = page_router()
MESSAGES = {
    "name": "begin with a letter or digit; up to 64 letters, digits, spaces and . _ @ -",
    "title": "up to 80 characters, on one line",
}
ALL = 200
"""Members that a page shows at once."""


@router.get("/projects")
def project_list(user: CurrentViewer, components: ComponentsDep, after: After = None) -> Response:
    """The projects that the user sees, and for administrators the form that makes one."""
    return _list(components, user, after=after)


@router.post("/projects")
def make(form: AdminForm, components: ComponentsDep) -> Response:
    """Make a project and go to its page; if there is a fault, show the form as it was sent."""
    sent = {name: form.text(name) for name in ("name", "title")}
    try:
        body = ProjectIn.model_validate({name: text for name, text in sent.items() if text})
        made = projects.make_project(body, form.user.principal, components)
    except ValidationError as error:
        faults = {str(fault["loc"][0]): MESSAGES[str(fault["loc"][0])] for fault in error.errors()}
        return _list(components, form.user, status=422, sent=sent, faults=faults)
    except RunConflict as error:
        return _list(components, form.user, status=409, sent=sent, faults={"name": str(error)})
    return redirect(f"/projects/{made.id}")


@router.get("/projects/{id}")
def project_page(id: Id, user: CurrentViewer, components: ComponentsDep, after: After = None) -> Response:
    """One project; for its managers with its members, and forms that change it."""
    found = projects.get_project(id, user.principal, components)
    manages = user.has_role(Role.MANAGER)
    listed = members.list_members(id, user.principal, components, ALL, after) if manages else None
    with components.database.reading() as session:
        others = list(session.scalars(select(Project).where(Project.id != id).order_by(Project.name)))
    shared = [other for other in others if other.name in found.shared_with]
    roles = [role for role in Role if role != Role.ADMIN or user.has_role(Role.ADMIN)]
    return render(
        "projects/project.html",
        user,
        project=found,
        members=listed,
        roles=roles,
        shared=shared,
        others=[other for other in others if other not in shared] if manages else [],
        manages=manages,
    )


@router.post("/projects/{id}/change")
def change(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Give a project another title, archive it or open it again."""
    wanted: dict[str, Any] = {name: form.text(name) for name in ("title", "archived") if form.text(name)}
    return _done(id, lambda: projects.change_project(id, _checked(wanted), form.user.principal, components))


@router.post("/projects/{id}/share")
def share(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Share with the project that the form names."""
    return _done(id, lambda: projects.share(id, _reader(form), form.user.principal, components))


@router.post("/projects/{id}/unshare")
def unshare(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Share with the project that the form names no more."""
    return _done(id, lambda: projects.unshare(id, form.text("reader"), form.user.principal, components))


@router.post("/projects/{id}/members/{key}/role")
def change_role(id: Id, key: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Give a member the role that the form names."""
    role = form.text("role")
    if role not in list(Role):
        raise ConfigError(f"role: there is no role {role[:40]!r}: choose one of {', '.join(Role)}")
    body = MemberChange(role=Role(role))
    return _done(id, lambda: members.change_member(id, key, body, form.user.principal, components))


@router.post("/projects/{id}/members/{key}/remove")
def remove(id: Id, key: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Revoke a member's key."""
    return _done(id, lambda: members.remove_member(id, key, form.user.principal, components))


def _reader(form: ViewerForm) -> ShareIn:
    try:
        return ShareIn(reader=form.text("reader"))
    except ValidationError:
        raise ConfigError("reader: choose a project of the list") from None


def _checked(wanted: dict[str, Any]) -> ProjectChange:
    try:
        return ProjectChange.model_validate(wanted)
    except ValidationError:
        raise ConfigError(f"title: {MESSAGES['title']}") from None


def _done(project_id: str, act: Callable[[], object]) -> Response:
    act()
    return redirect(f"/projects/{project_id}")


def _list(
    components: Components, user: PageUser, *, after: str | None = None, status: int = 200,
    sent: dict[str, str] | None = None, faults: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    listed = projects.list_projects(user.principal, components, after=after)
    blank = {"name": "", "title": ""}
    return render("projects/list.html", user, status=status, page=listed, sent=sent or blank, faults=faults or {})
