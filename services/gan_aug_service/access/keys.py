"""API keys and browser sessions: made, recognised, revoked; the database holds their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from gan_aug_service.database.tables import BrowserSession, Key, Role, new_id, now

PREFIX = "ganaug"
SHAPE = re.compile(rf"{PREFIX}_([0-9a-f]{{24}})_([A-Za-z0-9_-]{{43}})")
SESSION_TIME, IDLE = timedelta(hours=12), timedelta(hours=1)
"""A browser's session ends after so long, and after so long without a request."""

SESSIONS = 20
"""Browsers that may be signed in with one key."""

DEFAULT_PROJECT = "default"
USE_SECONDS = 60
"""The last use of a key is recorded to within this time, so that reading does not mean writing."""


def make_key(
    session: Session, name: str, role: Role, project: str = DEFAULT_PROJECT, expires: datetime | None = None
) -> tuple[Key, str]:
    """Store a new key and give it with its text, which is shown once and kept nowhere."""
    secret = secrets.token_urlsafe(32)
    key = Key(id=new_id(), name=name, role=role, project=project, expires=expires, secret_sha256=_sha256(secret))
    session.add(key)
    return key, f"{PREFIX}_{key.id}_{secret}"


def key_of(session: Session, text: str) -> Key | None:
    """The key that `text` is, where it is known, not expired and not revoked.

    A plain SHA-256 serves: the secret is 256 random bits, so that there is nothing to guess.
    """
    shape = SHAPE.fullmatch(text)
    key = session.get(Key, shape[1]) if shape else None
    if key is None or shape is None or not hmac.compare_digest(key.secret_sha256, _sha256(shape[2])):
        return None
    return key if usable(key) else None


def usable(key: Key) -> bool:
    """Whether a key is neither expired nor revoked."""
    return key.revoked is None and (key.expires is None or key.expires > now())


def usable_keys(session: Session) -> int:
    """How many keys there are that could be used now."""
    valid = or_(Key.expires.is_(None), Key.expires > now())
    return session.scalar(select(func.count()).select_from(Key).where(Key.revoked.is_(None), valid)) or 0


def last_admin(session: Session, key: Key) -> bool:
    """Whether no administrator's key but this one could be used now; those keys are locked until the session ends."""
    admins = session.scalars(select(Key).where(Key.role == Role.ADMIN, Key.revoked.is_(None)).with_for_update())
    return [admin.id for admin in admins if usable(admin)] == [key.id]


def sign_in(session: Session, key: Key) -> str:
    """A new browser session of a key: its token, for a cookie; the key's oldest end where there are too many."""
    token, begun = secrets.token_urlsafe(32), now()
    session.execute(delete(BrowserSession).where(BrowserSession.expires < begun))
    own = select(BrowserSession.token_sha256).where(BrowserSession.key_id == key.id)
    newest = own.order_by(BrowserSession.created.desc(), BrowserSession.token_sha256).offset(SESSIONS - 1)
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256.in_(list(session.scalars(newest)))))
    session.add(BrowserSession(token_sha256=_sha256(token), key_id=key.id, created=begun, expires=begun + IDLE))
    return token


def key_of_session(session: Session, token: str) -> tuple[Key, BrowserSession] | None:
    """The key that a browser signed in with, and its session, where both still hold."""
    found = session.get(BrowserSession, _sha256(token))
    if found is None or found.expires < now():
        return None
    key = session.get(Key, found.key_id)
    return (key, found) if key and usable(key) else None


def session_end(found: BrowserSession) -> datetime | None:
    """When a session that is used now would end; None where that is hardly later than what is recorded."""
    end = min(now() + IDLE, found.created + SESSION_TIME)
    return end if (end - found.expires).total_seconds() > USE_SECONDS else None


def sign_out(session: Session, token: str) -> None:
    """End a browser session: its cookie means nothing from now on."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256 == _sha256(token)))


def csrf_token(token: str) -> str:
    """What a page of the session must send along with whatever alters something; another site cannot know it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def used(key: Key) -> bool:
    """Whether the key's last use is so long ago that it should be recorded anew."""
    return key.last_used is None or (now() - key.last_used).total_seconds() > USE_SECONDS


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
