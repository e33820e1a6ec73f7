"""Whose a record is: its owner, a manager of its project and administrators stop and remove it; the owner is told."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug_service.access.authentication import Principal
from gan_aug_service.database.sharing_tables import Notice
from gan_aug_service.database.tables import Key, Role, Run
from gan_aug_service.http.problems import Problem
from gan_aug_service.records import projects

DONE = {"job.cancel": "Stopped", "job.pause": "Paused", "run.remove": "Removed"}
"""What the page of a record says of what others did to it."""

SHOWN = 5


def may_end(principal: Principal, owner: str | None) -> bool:
    """Whether a principal may stop or remove what a key made: its own as an editor, or that of others as a manager."""
    return principal.has_role(Role.MANAGER) or (principal.has_role(Role.EDITOR) and principal.key_id == owner)


def check_owner(session: Session, principal: Principal, owner: str | None, what: str, project: str) -> None:
    """Refuse to stop or remove what is another's.

    Args:
        session: A session.
        principal: Who asks, and can see it.
        owner: The key that made it.
        what: What it is, in words.
        project: Its project.

    Raises:
        Problem: The principal may not; it says whose it is and whom to ask.
    """
    if not may_end(principal, owner):
        detail = f"{what} belongs to {name_of(session, owner)}: ask them, or {projects.managers(session, project)}"
        raise Problem(HTTPStatus.FORBIDDEN, detail)


def tell_owner(
    session: Session, principal: Principal, owner: str | None, action: str, target: str, text: str
) -> None:  # fmt: skip
    """Tell an owner what somebody else did to what is theirs.

    Args:
        session: The session of the change.
        principal: Who did it.
        owner: The owner's key; nobody is told of what they did themselves.
        action: What was done, as the audit calls it.
        target: The id of the record.
        text: What was done, as in `stopped your job train 3f4a5b`.
    """
    if owner is not None and owner != principal.key_id:
        session.add(
            Notice(key_id=owner, name=principal.name, action=action, target=target, text=f"{principal.name} {text}.")
        )


def owner_of_run(session: Session, run_id: str) -> str | None:
    """The key that made a run; None if it was adopted when the service started."""
    return session.scalar(select(Run.key_id).where(Run.id == run_id))


def name_of(session: Session, key_id: str | None) -> str:
    """The name of a key, in words."""
    key = session.get(Key, key_id) if key_id else None
    return key.name if key else "somebody who is not known here any more"


def count_unread(session: Session, principal: Principal) -> int:
    """How many notices to a principal are not read yet."""
    mine = select(func.count()).select_from(Notice).where(Notice.key_id == principal.key_id, Notice.read.is_(None))
    return session.scalar(mine) or 0


def notices_about(session: Session, *targets: str) -> list[str]:
    """Who did what to records of others, the newest first: what the page of the record says to everybody."""
    about = select(Notice.name, Notice.action, Notice.created).where(Notice.target.in_(targets)).distinct()
    rows = session.execute(about.order_by(Notice.created.desc()).limit(SHOWN)).all()
    return [f"{DONE[row.action]} by {row.name}, {row.created:%Y-%m-%d %H:%M} UTC" for row in rows if row.action in DONE]
