"""Projects: made on purpose, found by name, changed and archived; their members, and with whom they share."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from http import HTTPStatus

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug.errors import ConfigError, RunConflict
from gan_aug_service.access.authentication import Principal
from gan_aug_service.access.keys import is_last_admin
from gan_aug_service.database.sharing_tables import Project, Share
from gan_aug_service.database.tables import ENDED, AuditEntry, Job, Key, Role, now
from gan_aug_service.http.problems import Problem, not_found
from gan_aug_service.openapi.projects import ProjectIn, ProjectOut

NEAREST = 3
"""How many names are offered instead of one that is no project's."""


def named(session: Session, name: str, key: str = "project") -> Project:
    """The project of a name, which must not be archived; it stays so until the session ends.

    Args:
        session: A session.
        name: The name.
        key: What the request calls it.

    Returns:
        The project.

    Raises:
        ConfigError: There is none of this name; the message has the nearest names.
        RunConflict: It is archived.
    """
    found = session.scalar(select(Project).where(Project.name == name).with_for_update(read=True))
    if found is None:
        raise ConfigError(f"{key}: there is no project {name!r}: {_nearest(session, name)}")
    if found.archived:
        raise RunConflict(f"the project {name} is archived: it can be read, and nothing new is made in it")
    return found


def acting_in(session: Session, principal: Principal, name: str) -> Principal:
    """A principal in the project of a name; raises ConfigError if there is none, or only an admin may name it."""
    if principal.sees_all:
        return replace(principal, project=named(session, name).name)
    raise ConfigError(f"project: your key is of the project {principal.project}, not of {name!r}: leave it out")


def find(session: Session, principal: Principal, project_id: str) -> Project:
    """The project of an id; raises Problem if there is none, or the principal is of another one."""
    found = session.get(Project, project_id)
    if found is None or not principal.can_see(found.name):
        raise not_found("project", project_id)
    return found


def find_managed(session: Session, principal: Principal, project_id: str) -> Project:
    """As `find`, for one who manages the project; raises Problem for others, which says whom to ask."""
    found = find(session, principal, project_id)
    if not principal.has_role(Role.MANAGER):
        detail = f"a key with the role {principal.role} does not manage a project: ask {managers(session, found.name)}"
        raise Problem(HTTPStatus.FORBIDDEN, detail)
    return found


def managers(session: Session, project: str) -> str:
    """Who manages a project, in words."""
    query = select(Key.name).where(Key.project == project, Key.role == Role.MANAGER, Key.revoked.is_(None)).distinct()
    names = list(session.scalars(query.order_by(Key.name).limit(NEAREST)))
    return f"{', '.join(names)}, who manages {project}, or an administrator" if names else "an administrator"


def is_there(session: Session, name: str) -> bool:
    """Whether there is a project of this name."""
    return session.scalar(select(Project.id).where(Project.name == name)) is not None


def title_of(session: Session, name: str) -> str:
    """The title of a project; its name if there is none."""
    return session.scalar(select(Project.title).where(Project.name == name)) or name


def make(session: Session, principal: Principal, name: str, title: str | None) -> Project:
    """Make a project; raises RunConflict if there is one of this name, in small or capital letters."""
    twin = session.scalar(select(Project.name).where(func.lower(Project.name) == name.lower()))
    if twin is not None:
        raise RunConflict(f"name: there is a project {twin}: choose another name")
    made = Project(name=name, title=title or name)
    session.add(made)
    session.flush()
    principal.audit(session, "project.create", made.id, f"{name}: {made.title}")
    return made


def ensure(session: Session, name: str, key: str) -> None:
    """Make a project for whoever holds the database, unless it is there; `key` is what the option is called."""
    try:
        ProjectIn(name=name)
    except ValidationError as error:
        raise ConfigError(f"{key} {name}: this is no name for a project: {error.errors()[0]['msg']}") from None
    if session.scalar(select(Project).where(Project.name == name)) is None:
        made = Project(name=name, title=name)
        session.add(made)
        session.flush()
        session.add(AuditEntry(action="project.create", target=made.id, detail=f"{name}: {key}"))


def change(session: Session, principal: Principal, project: Project, title: str | None, archived: bool | None) -> None:
    """Give a project another title, archive it or open it again.

    Args:
        session: A session that writes.
        principal: Who does it; a manager of the project.
        project: The project.
        title: The new title; None leaves it.
        archived: Whether it is to be archived; None leaves it.

    Raises:
        RunConflict: A job of it waits or works.
        Problem: Only an admin archives.
    """
    if title is not None and title != project.title:
        principal.audit(session, "project.rename", project.id, f"{project.name}: {project.title} is now {title}")
        project.title = title
    if archived is None or archived == (project.archived is not None):
        return
    if not principal.has_role(Role.ADMIN):
        raise Problem(HTTPStatus.FORBIDDEN, "only an admin archives a project or opens it again")
    if archived and (count := _busy(session, project.name)):
        raise RunConflict(f"{count} jobs of {project.name} wait or work: wait for them, or cancel them")
    project.archived = now() if archived else None
    principal.audit(session, "project.archive" if archived else "project.open", project.id, project.name)


def shared_with(session: Session, name: str) -> list[str]:
    """The names of projects that a project shares with."""
    return list(session.scalars(select(Share.reader).where(Share.project == name).order_by(Share.reader)))


def share(session: Session, principal: Principal, project: Project, reader: Project) -> None:
    """Show the released synthetic sets of a project to the members of another one; raises ConfigError for itself."""
    if reader.name == project.name:
        raise ConfigError(f"{project.name} cannot share with itself: name another project")
    if session.get(Share, (project.name, reader.name)) is None:
        session.add(Share(project=project.name, reader=reader.name, name=principal.name))
        principal.audit(session, "project.share", project.id, f"{project.name} with {reader.name}")


def unshare(session: Session, principal: Principal, project: Project, reader: str) -> None:
    """Share with another project no more; raises Problem if it was not shared with."""
    found = session.get(Share, (project.name, reader))
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"{project.name} does not share with {reader!r}: look at the project")
    session.delete(found)
    principal.audit(session, "project.unshare", project.id, f"{project.name} with {reader}")


def find_member(session: Session, principal: Principal, project: Project, key_id: str) -> Key:
    """The member of a project with this key, to be changed; raises Problem if there is none, or it may not be."""
    key = session.get(Key, key_id, with_for_update=True)
    if key is None or key.project != project.name:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no member {key_id} of {project.name}: look at its members")
    if key.role == Role.ADMIN and not principal.has_role(Role.ADMIN):
        raise Problem(HTTPStatus.FORBIDDEN, f"{key.name} is an administrator: only another one changes that")
    return key


def change_role(session: Session, principal: Principal, project: Project, key: Key, role: Role) -> None:
    """Give a member another role.

    Args:
        session: A session that writes.
        principal: Who does it; a manager of the project.
        project: The project.
        key: The member's key.
        role: The role.

    Raises:
        RunConflict: Its key is revoked, the last administrator's, or of a person whose role follows from groups.
        Problem: Only an admin makes admins.
    """
    if role == Role.ADMIN and not principal.has_role(Role.ADMIN):
        raise Problem(HTTPStatus.FORBIDDEN, "role: only an admin makes another admin: choose another role")
    if key.revoked:
        raise RunConflict(f"the key of {key.name} is revoked: make another one")
    if key.identity:
        raise RunConflict(f"{key.name} signs in with the provider, and has the role that the groups there give")
    if role != Role.ADMIN and is_last_admin(session, key):
        raise RunConflict(f"the key {key.id} is the last one of an administrator: make another one first")
    if key.role != role:
        principal.audit(session, "member.role", key.id, f"{key.name} of {project.name}: {key.role} is now {role}")
        key.role = role


def out(session: Session, project: Project) -> ProjectOut:
    """The answer for a project."""
    return ProjectOut.of(project, shared_with(session, project.name))


def _busy(session: Session, name: str) -> int:
    query = select(func.count()).select_from(Job).where(Job.project == name, Job.state.not_in(ENDED))
    return session.scalar(query) or 0


def _nearest(session: Session, name: str) -> str:
    names = list(session.scalars(select(Project.name).where(Project.archived.is_(None)).order_by(Project.name)))
    by_folded = {one.lower(): one for one in names}
    near = [by_folded[one] for one in get_close_matches(name.lower(), by_folded, NEAREST, 0.6)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "an administrator makes projects, on the page Projects or with POST /v1/projects"
