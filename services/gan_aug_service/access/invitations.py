"""Invitations: made, followed and revoked. The database holds only hashes of their texts."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from gan_aug_service.access.keys import make_key
from gan_aug_service.database.invitation_tables import Invitation
from gan_aug_service.database.tables import AuditEntry, Key, Role, new_id, now

PATTERN = re.compile(r"invite_([0-9a-f]{24})_([A-Za-z0-9_-]{43})")


def make_invitation(session: Session, invitation: Invitation) -> str:
    """Store a new invitation and return its text. The text is stored nowhere: show it now."""
    secret = secrets.token_urlsafe(32)
    invitation.id, invitation.secret_sha256 = new_id(), _sha256(secret)
    session.add(invitation)
    session.flush()
    return f"invite_{invitation.id}_{secret}"


def find_invitation(session: Session, text: str) -> Invitation | None:
    """The invitation of this text, if it can still be followed; None otherwise, whatever the reason is."""
    match = PATTERN.fullmatch(text)
    found = session.get(Invitation, match[1]) if match else None
    if found is None or match is None or not hmac.compare_digest(found.secret_sha256, _sha256(match[2])):
        return None
    return found if found.open else None


def follow(session: Session, text: str, name: str, address: str) -> tuple[Key, str] | None:
    """Give somebody who follows an invitation a key.

    Args:
        session: A session that writes.
        text: The invitation's text.
        name: What the person is called.
        address: Where the request came from.

    Returns:
        The key and its text, or None if the invitation cannot be followed any more.
    """
    found = find_invitation(session, text)
    if found is None:
        return None
    # The number is compared where it is counted: two who come at the same moment do not both get the last place.
    free = update(Invitation).where(Invitation.id == found.id, Invitation.used < Invitation.uses)
    if not session.execute(free.values(used=Invitation.used + 1)).rowcount:  # type: ignore[attr-defined]
        return None
    key, key_text = make_key(session, name, Role(found.role), found.project, found.access_until)
    key.invitation = found.id
    session.flush()
    detail = f"{found.role} of {found.project}, invited with {found.name}"
    session.add(
        AuditEntry(
            key_id=key.id, project=key.project, action="invitation.follow", target=found.id, detail=detail,
            address=address,
        )
    )  # fmt: skip
    return key, key_text


def end_keys(session: Session, invitation: Invitation) -> list[str]:
    """Revoke the keys that an invitation gave; returns their ids."""
    valid = or_(Key.expires.is_(None), Key.expires > now())
    given = select(Key).where(Key.invitation == invitation.id, Key.revoked.is_(None), valid)
    keys = list(session.scalars(given))
    for key in keys:
        key.revoked = now()
    return [key.id for key in keys]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
