"""People who sign in with a provider: each has a record like a key's, without a text, whose rights come from groups."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gan_aug_service.database.tables import BrowserSession, Key, now
from gan_aug_service.oidc.provider import Identity
from gan_aug_service.settings import Grant, ProviderSettings

EVERYONE = "*"
"""The group that everybody is in whom the provider signs in."""

NO_SECRET = ""
"""Stands for the hash of a key's text: no text has this hash."""


def grant_of(settings: ProviderSettings, identity: Identity) -> Grant | None:
    """What a person may do: the first grant of one of the person's groups; None if there is none."""
    own = identity.groups | {EVERYONE}
    return next((grant for grant in settings.grants if grant.group in own), None)


def admit_person(session: Session, identity: Identity, grant: Grant, hours: float) -> Key:
    """The record of a person who signs in, with the role and project that the groups give now.

    Args:
        session: A session that writes.
        identity: Who it is.
        grant: What the person may do.
        hours: After how many hours the person has to sign in again.

    Returns:
        The record; it is revoked if an administrator revoked it.
    """
    person = _find(session, identity)
    if person is None:
        person = Key(identity=_digest(identity), secret_sha256=NO_SECRET)
        session.add(person)
    person.name, person.role, person.project = identity.name, grant.role, grant.project
    person.expires = now() + timedelta(hours=hours)
    session.flush()
    return person


def shut_out(session: Session, identity: Identity) -> None:
    """End the rights of a person whose groups give none any more: in every browser, and at once."""
    if person := _find(session, identity):
        person.expires = now()
        session.execute(delete(BrowserSession).where(BrowserSession.key_id == person.id))


def _find(session: Session, identity: Identity) -> Key | None:
    """The record of a person, locked; None if the person never signed in here."""
    return session.scalar(select(Key).where(Key.identity == _digest(identity)).with_for_update())


def _digest(identity: Identity) -> str:
    return hashlib.sha256(f"{identity.issuer}\n{identity.subject}".encode()).hexdigest()
