"""Releases of synthetic sets and models: made, found and withdrawn. The gate of the privacy audit is the only judge."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gan_aug.errors import GanAugError, ReleaseRefused
from gan_aug.privacy.gate import Leaving
from gan_aug.privacy.record import Subject
from gan_aug_service.access.authentication import Principal
from gan_aug_service.access.keys import is_usable
from gan_aug_service.components import Components
from gan_aug_service.database.sharing_tables import Release
from gan_aug_service.database.tables import Key, Role, Run, now
from gan_aug_service.http.problems import Problem, not_found
from gan_aug_service.openapi.releases import ReleaseOut
from gan_aug_service.products.release import Releasable, let_out, releasable
from gan_aug_service.records.ownership import tell_owner

NAMED = 3
"""How many of those who may release are named to one who may not."""

RESOURCES: dict[Subject, str] = {"set": "synthetic", "model": "model"}
"""What routes and the audit call each subject."""


def release(
    components: Components, principal: Principal, run: Run, subject: Subject, recipient: str, reason: str | None = None
) -> tuple[Release, bool]:
    """Release a set or a model that the privacy audit allows, or as an admin with a reason whatever it says.

    Args:
        components: The service's components.
        principal: Who releases it.
        run: Its run, which the principal can see.
        subject: Which of the two it is.
        recipient: To whom, or for what use.
        reason: Why it is released against the audit.

    Returns:
        The release, and whether it stood already: the same to the same recipient.

    Raises:
        ReleaseRefused: The audit does not allow it, and no reason is given.
        Problem: The principal may not do this.
    """
    check_releaser(components, principal, run.project)
    _check_reason(principal, reason)
    what = releasable(components.settings.runs / run.id, subject)
    if what.objection and reason is None:
        raise ReleaseRefused(_refused(what, principal))
    with components.database.writing() as session:
        for one in _not_withdrawn(session, run.id):
            if one.recipient == recipient and stands(one, what):
                return one, True
        made = _record(principal, run, what, recipient, reason if what.objection else None)
        session.add(made)
        session.flush()
        principal.audit(session, f"{RESOURCES[subject]}.release", run.id, _noted(made))
        let_out(what, Leaving(f"release to {recipient}", _who(principal), made.reason))
    return made, False


def withdraw(components: Components, principal: Principal, release_id: str) -> Release:
    """Withdraw a release: from now on no download rests on it. What was downloaded is not called back.

    Args:
        components: The service's components.
        principal: Who withdraws it.
        release_id: The release.

    Returns:
        The release.

    Raises:
        Problem: There is none that the principal can see, or the principal may not do this.
    """
    with components.database.writing() as session:
        found = session.get(Release, release_id, with_for_update=True)
        if found is None or not principal.can_see(found.project):
            raise not_found("release", release_id)
        check_releaser(components, principal, found.project)
        if found.withdrawn is None:
            found.withdrawn, found.withdrawn_by = now(), principal.name
            told = f"withdrew your release of run {found.run_id[-6:]} to {found.recipient}"
            tell_owner(session, principal, found.key_id, "release.withdraw", found.run_id, told)
            principal.audit(session, "release.withdraw", found.run_id, f"release {found.id} to {found.recipient}")
    return found


def withdraw_all(session: Session, principal: Principal, run_id: str) -> None:
    """Withdraw all releases of a run, since what was released is being removed."""
    open_ones = update(Release).where(Release.run_id == run_id, Release.withdrawn.is_(None))
    session.execute(open_ones.values(withdrawn=now(), withdrawn_by=principal.name))


def stands(found: Release, what: Releasable) -> bool:
    """Whether a download of `what` may rest on a release.

    A release against the audit holds for that audit alone: another one may say worse.
    """
    if found.withdrawn is not None or (found.subject, found.identity) != (what.subject, what.identity):
        return False
    return what.objection is None or (found.reason is not None and found.audit == what.audit_sum)


def leaving_by(
    components: Components, principal: Principal, run: Run, what: Releasable, door: str, anyway: str | None
) -> Leaving:
    """How a set or a model leaves by a download: by a release that stands, or once by an admin with a reason.

    Args:
        components: The service's components.
        principal: Who downloads it.
        run: Its run, which the principal can see.
        what: The set or the model.
        door: What the gate is to note.
        anyway: The admin's reason.

    Returns:
        What the gate is asked.

    Raises:
        ReleaseRefused: It was not released, and the audit does not allow it.
        Problem: It was not released, or the principal may not pass over the audit.
    """
    _check_reason(principal, anyway)
    if anyway is not None:
        once = _record(principal, run, what, f"one download by {principal.name}", anyway if what.objection else None)
        once.withdrawn, once.withdrawn_by = now(), principal.name
        with components.database.writing() as session:
            session.add(once)
        return Leaving(door, _who(principal), anyway)
    with components.database.reading() as session:
        standing = next((one for one in _not_withdrawn(session, run.id) if stands(one, what)), None)
    if standing is not None:
        return Leaving(f"{door}, released to {standing.recipient}", _who(principal), standing.reason)
    if what.objection:
        raise ReleaseRefused(_refused(what, principal))
    way = "release it first" if principal.has_role(Role.RELEASER) else whom_to_ask(components, run.project)
    raise Problem(HTTPStatus.FORBIDDEN, f"the {what.subject} of {run.id} was not released: {way}")


def outs(components: Components, found: Iterable[Release]) -> list[ReleaseOut]:
    """The answers for some releases, each with whether it stands now."""
    state: dict[tuple[str, str], Releasable | None] = {}
    shown = []
    for one in found:
        key = (one.run_id, one.subject)
        if key not in state and one.withdrawn is None:
            state[key] = _now_there(components, one)
        what = state.get(key)
        shown.append(ReleaseOut.of(one, stands=what is not None and stands(one, what)))
    return shown


def of_run(components: Components, run_id: str, subject: Subject) -> list[ReleaseOut]:
    """All releases of a run's set or model, newest first."""
    query = select(Release).where(Release.run_id == run_id, Release.subject == subject).order_by(Release.id.desc())
    with components.database.reading() as session:
        return outs(components, session.scalars(query).all())


def whom_to_ask(components: Components, project: str) -> str:
    """Who may release in a project, in words for one who may not."""
    query = select(Key).where(Key.project == project, Key.role == Role.RELEASER, Key.revoked.is_(None)).order_by(Key.id)
    with components.database.reading() as session:
        names = list(dict.fromkeys(key.name for key in session.scalars(query) if is_usable(key)))
    if not names:
        return f"ask an administrator, since nobody else may release in {project}"
    return f"ask {', '.join(names[:NAMED])}, who may release in {project}, or an administrator"


def check_releaser(components: Components, principal: Principal, project: str) -> None:
    """Raise Problem, which says whom to ask, if a key may not release and withdraw."""
    if not principal.has_role(Role.RELEASER):
        detail = f"a key with the role {principal.role} may not release: {whom_to_ask(components, project)}"
        raise Problem(HTTPStatus.FORBIDDEN, detail)


def _record(principal: Principal, run: Run, what: Releasable, recipient: str, reason: str | None) -> Release:
    return Release(
        run_id=run.id,
        project=run.project,
        subject=what.subject,
        identity=what.identity,
        audit=what.audit_sum,
        verdict=what.verdict,
        recipient=recipient,
        reason=reason,
        key_id=principal.key_id,
        name=principal.name,
    )


def _not_withdrawn(session: Session, run_id: str) -> list[Release]:
    query = select(Release).where(Release.run_id == run_id, Release.withdrawn.is_(None)).order_by(Release.id.desc())
    return list(session.scalars(query))


def _check_reason(principal: Principal, reason: str | None) -> None:
    if reason is not None and not principal.has_role(Role.ADMIN):
        raise Problem(
            HTTPStatus.FORBIDDEN, "only an admin may release what the privacy audit refuses: leave out the reason"
        )


def _now_there(components: Components, found: Release) -> Releasable | None:
    """What a release is of, as it is now; None if it was removed or cannot be read."""
    try:
        return releasable(components.settings.runs / found.run_id, "set" if found.subject == "set" else "model")
    except (GanAugError, OSError, Problem):
        return None


def _noted(made: Release) -> str:
    """The detail of a release in the audit trail."""
    audit = f"audit {made.audit[:16]}" if made.audit else "without an audit"
    against = f", whatever the privacy audit says: {made.reason}" if made.reason else ""
    return f"to {made.recipient}; {audit}{against}"


def _refused(what: Releasable, principal: Principal) -> str:
    admin = principal.has_role(Role.ADMIN)
    way = "release it with a reason" if admin else "only an admin may release it, with a reason"
    audit = "" if what.audit else f"audit it (POST /v1/jobs/audit?run={what.folder.name}), or "
    return f"the {what.subject} of {what.folder.name} may not leave: {what.objection}; {audit}{way}"


def _who(principal: Principal) -> str:
    return f"key {principal.name} ({principal.key_id})"
