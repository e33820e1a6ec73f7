"""API keys and browser sessions: made, recognised and ended. The database holds only hashes of them."""

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
KEY_PATTERN = re.compile(rf"{PREFIX}_([0-9a-f]{{24}})_([A-Za-z0-9_-]{{43}})")
SESSION_LIFETIME, IDLE_TIMEOUT = timedelta(hours=12), timedelta(hours=1)
"""A browser's session ends after this time in all, and after this time without a request."""

MAX_SESSIONS = 20
"""Browsers that may be signed in with one key at the same time."""

DEFAULT_PROJECT = "default"
USE_RESOLUTION_SECONDS = 60
"""How exactly the last use of a key is recorded: not every request shall write to the database."""


def make_key(
    session: Session, name: str, role: Role, project: str = DEFAULT_PROJECT, expires: datetime | None = None
) -> tuple[Key, str]:
    """Store a new key.

    Args:
        session: A session that writes.
        name: Whose key it is, or what it is for.
        role: What it allows.
        project: The project whose records it sees.
        expires: When it expires; None for never.

    Returns:
        The key, and its text. The text is stored nowhere: show it now.
    """
    secret = secrets.token_urlsafe(32)
    key = Key(id=new_id(), name=name, role=role, project=project, expires=expires, secret_sha256=_sha256(secret))
    session.add(key)
    return key, f"{PREFIX}_{key.id}_{secret}"


def find_key(session: Session, text: str) -> Key | None:
    """The key with this text, if it is known, not expired and not revoked; None otherwise.

    A plain SHA-256 is enough: the secret is 256 random bits, which nobody can guess.
    """
    match = KEY_PATTERN.fullmatch(text)
    key = session.get(Key, match[1]) if match else None
    if key is None or match is None or not hmac.compare_digest(key.secret_sha256, _sha256(match[2])):
        return None
    return key if is_usable(key) else None


def is_usable(key: Key) -> bool:
    """Whether a key is neither expired nor revoked."""
    return key.revoked is None and (key.expires is None or key.expires > now())


def count_usable_keys(session: Session) -> int:
    """How many keys are neither expired nor revoked; people of a provider have none."""
    valid = or_(Key.expires.is_(None), Key.expires > now())
    usable = select(func.count()).select_from(Key).where(Key.revoked.is_(None), Key.identity.is_(None), valid)
    return session.scalar(usable) or 0


def is_last_admin(session: Session, key: Key) -> bool:
    """Whether this is the only administrator's key that is usable; those keys are locked until the session ends.

    Administrators of a provider do not count: it may be away, or forget their groups.
    """
    own = select(Key).where(Key.role == Role.ADMIN, Key.revoked.is_(None), Key.identity.is_(None))
    admins = session.scalars(own.with_for_update())
    return [admin.id for admin in admins if is_usable(admin)] == [key.id]


def sign_in(session: Session, key: Key) -> str:
    """Begin a browser session of a key and return its token, for a cookie; above MAX_SESSIONS the oldest ones end."""
    token, begun = secrets.token_urlsafe(32), now()
    session.execute(delete(BrowserSession).where(BrowserSession.expires < begun))
    own = select(BrowserSession.token_sha256).where(BrowserSession.key_id == key.id)
    newest = own.order_by(BrowserSession.created.desc(), BrowserSession.token_sha256).offset(MAX_SESSIONS - 1)
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256.in_(list(session.scalars(newest)))))
    session.add(BrowserSession(token_sha256=_sha256(token), key_id=key.id, created=begun, expires=begun + IDLE_TIMEOUT))
    return token


def find_session_key(session: Session, token: str) -> tuple[Key, BrowserSession] | None:
    """The key that a browser signed in with, and its session; None unless both are still valid."""
    found = session.get(BrowserSession, _sha256(token))
    if found is None or found.expires < now():
        return None
    key = session.get(Key, found.key_id)
    return (key, found) if key and is_usable(key) else None


def extended_expiry(browser: BrowserSession) -> datetime | None:
    """When a session that is used now will expire; None if that is hardly later than what is recorded."""
    end = min(now() + IDLE_TIMEOUT, browser.created + SESSION_LIFETIME)
    return end if (end - browser.expires).total_seconds() > USE_RESOLUTION_SECONDS else None


def sign_out(session: Session, token: str) -> None:
    """End a browser session: its cookie is worth nothing from now on."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256 == _sha256(token)))


def csrf_token(token: str) -> str:
    """The CSRF token of a session: its pages send it with every change, and another site cannot know it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def last_use_is_stale(key: Key) -> bool:
    """Whether the recorded last use of a key is too old, so that this use must be recorded."""
    return key.last_used is None or (now() - key.last_used).total_seconds() > USE_RESOLUTION_SECONDS


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
