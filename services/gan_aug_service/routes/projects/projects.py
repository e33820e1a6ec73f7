"""Projects: made, listed, changed, archived, and shared with others."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from sqlalchemy import select

from gan_aug_service.access.authentication import Admin, Viewer
from gan_aug_service.database.sharing_tables import Project
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.projects import ProjectChange, ProjectIn, ProjectOut, ShareIn
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.records import projects
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, versioned_router

router = versioned_router("projects")


@router.get("/projects")
def list_projects(
    principal: Viewer, components: ComponentsDep, limit: Limit = 50, after: After = None
) -> Page[ProjectOut]:
    """The key's project; for admins all of them, newest first."""
    query = select(Project) if principal.sees_all else select(Project).where(Project.name == principal.project)
    if after:
        query = query.where(Project.id < after)
    with components.database.reading() as session:
        found = session.scalars(query.order_by(Project.id.desc()).limit(limit + 1)).all()
        items = [projects.out(session, one) for one in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)


@router.post("/projects", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 409, 413))
def make_project(body: ProjectIn, principal: Admin, components: ComponentsDep) -> ProjectOut:
    """Make a project. Keys and jobs name it by its name, which stays; its title can be changed."""
    with components.database.writing() as session:
        return projects.out(session, projects.make(session, principal, body.name, body.title))


@router.get("/projects/{id}", responses=problem_responses(404))
def get_project(id: Id, principal: Viewer, components: ComponentsDep) -> ProjectOut:
    """One project, and with whom it shares."""
    with components.database.reading() as session:
        return projects.out(session, projects.find(session, principal, id))


@router.patch("/projects/{id}", responses=problem_responses(400, 404, 409, 413))
def change_project(id: Id, body: ProjectChange, principal: Viewer, components: ComponentsDep) -> ProjectOut:
    """Give a project another title (managers and admins), archive it or open it again (admins).

    Of an archived project everything can be read, and nothing new is made in it: no job, upload or key.
    """
    with components.database.writing() as session:
        project = projects.find_managed(session, principal, id)
        projects.change(session, principal, project, body.title, body.archived)
        return projects.out(session, project)


@router.post("/projects/{id}/shares", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 404, 409, 413))
def share(id: Id, body: ShareIn, principal: Viewer, components: ComponentsDep) -> ProjectOut:
    """Show the synthetic sets that were released to the members of another project; for managers and admins.

    They may look at these sets and download them, and see nothing else of this project.
    """
    with components.database.writing() as session:
        project = projects.find_managed(session, principal, id)
        projects.share(session, principal, project, projects.named(session, body.reader, "reader"))
        session.flush()
        return projects.out(session, project)


@router.delete("/projects/{id}/shares", responses=problem_responses(404))
def unshare(
    id: Id,
    reader: Annotated[str, Query(min_length=1, max_length=200, description="the name of the other project")],
    principal: Viewer,
    components: ComponentsDep,
) -> ProjectOut:
    """Share with another project no more; for managers and admins. What was downloaded is not called back."""
    with components.database.writing() as session:
        project = projects.find_managed(session, principal, id)
        projects.unshare(session, principal, project, reader)
        session.flush()
        return projects.out(session, project)
