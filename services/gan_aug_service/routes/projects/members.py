"""The members of a project: its keys, each with a role."""

from __future__ import annotations

from sqlalchemy import select

from gan_aug.errors import RunConflict
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.access.keys import is_last_admin
from gan_aug_service.database.tables import Key, now
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.projects import MemberChange
from gan_aug_service.openapi.schemas import KeyOut, Page
from gan_aug_service.records import projects
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, paginate, versioned_router

router = versioned_router("projects")


@router.get("/projects/{id}/members", responses=problem_responses(404))
def list_members(
    id: Id, principal: Viewer, components: ComponentsDep, limit: Limit = 50, after: After = None
) -> Page[KeyOut]:
    """Who is in a project, with which role, newest first; for its managers and admins."""
    with components.database.reading() as session:
        project = projects.find_managed(session, principal, id)
        query = select(Key).where(Key.project == project.name, Key.revoked.is_(None))
        return paginate(session, query, Key, limit, after, KeyOut.of)


@router.patch("/projects/{id}/members/{key}", responses=problem_responses(400, 404, 409, 413))
def change_member(id: Id, key: Id, body: MemberChange, principal: Viewer, components: ComponentsDep) -> KeyOut:
    """Give a member another role, from the next request on; for managers and admins."""
    with components.database.writing() as session:
        project = projects.find_managed(session, principal, id)
        member = projects.find_member(session, principal, project, key)
        projects.change_role(session, principal, project, member, body.role)
    components.key_cache.clear()
    return KeyOut.of(member)


@router.delete("/projects/{id}/members/{key}", responses=problem_responses(404, 409))
def remove_member(id: Id, key: Id, principal: Viewer, components: ComponentsDep) -> KeyOut:
    """Revoke a member's key: it is refused from the next request on. What it made stays; for managers and admins."""
    with components.database.writing() as session:
        project = projects.find_managed(session, principal, id)
        member = projects.find_member(session, principal, project, key)
        if is_last_admin(session, member):
            raise RunConflict(f"the key {key} is the last one of an administrator: make another one first")
        member.revoked = member.revoked or now()
        principal.audit(session, "member.remove", key, f"{member.name} of {project.name}")
    components.key_cache.clear()
    return KeyOut.of(member)
