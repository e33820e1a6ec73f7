"""The tables: keys, browser sessions, runs, jobs, the queue, uploads and the audit; sharing_tables.py has more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from gan_aug_service.database.described import Described, Lines

ID_PATTERN = "^[0-9a-f]{24}$"


def new_id() -> str:
    """A new id: 24 hexadecimal digits, of which the first 12 are the time, so that ids sort by age."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"


def first_id(moment: datetime) -> str:
    """A lower bound for the ids made from that moment on, to find records by age with the primary key."""
    return f"{max(0, int(moment.timestamp() * 1000)):012x}"


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class Role(StrEnum):
    """What a key allows: what each includes is in `INCLUDED`."""

    VIEWER = "viewer"
    """To read the records of its project."""
    EDITOR = "editor"
    """Also to start and stop jobs there, and to see its real images."""
    RELEASER = "releaser"
    """To read there, to see its real images, and to release sets and models that the privacy audit allows."""
    MANAGER = "manager"
    """All of these in its project, with what others made there; and its members, and with whom it shares."""
    ADMIN = "admin"
    """Everything everywhere."""

    def includes(self, other: Role) -> bool:
        """Whether a key of this role may do what one of the other role may."""
        return other in INCLUDED[self]


INCLUDED = {
    Role.VIEWER: {Role.VIEWER},
    Role.EDITOR: {Role.VIEWER, Role.EDITOR},
    Role.RELEASER: {Role.VIEWER, Role.RELEASER},
    Role.MANAGER: set(Role) - {Role.ADMIN},
    Role.ADMIN: set(Role),
}
"""What each role may do. Who makes a set does not release it: an editor is no releaser, nor a releaser an editor."""


class JobState(StrEnum):
    """The state of a job; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job has ended, and does nothing more unless it is resumed."""
        return self in ENDED


ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, also if the database stores no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Add the zone to a stored time: all are stored in UTC."""
        del dialect
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all tables. Constraints have fixed names, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime(),
        int: BigInteger(),
        str: String(200),
    }


class Key(Base):
    """An API key, or a person who signs in with the provider: what it allows, and in which project.

    A key's text is not stored. A person has none: the browser's session alone stands for that person.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    role: Mapped[str]
    project: Mapped[str]
    secret_sha256: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    last_used: Mapped[datetime | None]
    identity: Mapped[str | None] = mapped_column(unique=True, index=True)
    """Of a person: the SHA-256 of the provider's issuer and subject. At `expires` that person has to sign in again."""

    invitation: Mapped[str | None]
    """The invitation that gave it to somebody; None if an administrator made it."""

    @property
    def kind(self) -> str:
        """Whether this is a `key` or a `person`."""
        return "key" if self.identity is None else "person"


class BrowserSession(Base):
    """A browser that signed in with a key. It may do what the key allows, as long as the key is valid."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"), index=True)
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]


class Run(Described, Base):
    """A run folder, its project, and which products it holds."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(index=True)
    key_id: Mapped[str | None] = mapped_column(ForeignKey("keys.id"))
    """The owner's key; None if the run was adopted when the service started."""
    created: Mapped[datetime] = mapped_column(default=now)
    dataset: Mapped[bool] = mapped_column(default=False)
    model: Mapped[bool] = mapped_column(default=False)
    synthetic: Mapped[bool] = mapped_column(default=False)
    report: Mapped[bool] = mapped_column(default=False)
    data_name: Mapped[str] = mapped_column(default="")
    """The name of the imported data set; empty before it is known."""
    labels: Mapped[tuple[str, ...]] = mapped_column(Lines, default=())
    """The labels of the imported data set."""
    verdict: Mapped[str] = mapped_column(default="")
    """The verdict of the report in a word or two; empty before there is one."""

    @property
    def searched(self) -> tuple[str, ...]:
        """What else a search looks in."""
        return (self.data_name or "", *(self.labels or ()), self.verdict or "")

    def take(self, facts: Mapping[str, Any]) -> None:
        """Take over what its folder says of its data set and its report; what is not said stays."""
        self.data_name = facts.get("data_name", self.data_name)
        self.labels = tuple(facts.get("labels", self.labels))
        self.verdict = facts.get("verdict", self.verdict)


class Job(Base):
    """One verb on one run folder."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("key_id", "idempotency_key"),
        Index("ix_jobs_project_id", "project", "id"),
        Index("ix_jobs_state", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    project: Mapped[str]
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"))
    owner: Mapped[str] = mapped_column(default="")
    """The name of who asked for it, as it was then."""
    verb: Mapped[str]
    config: Mapped[str] = mapped_column(Text)
    """The config as it was sent, as JSON; its paths are relative to the service's data folder."""
    request: Mapped[str] = mapped_column(Text)
    """The config that the job's process gets, as JSON; its paths are absolute."""
    state: Mapped[str] = mapped_column(default=JobState.QUEUED)
    holds_run: Mapped[str | None] = mapped_column(unique=True)
    """The run's id while the job is queued or running: no two jobs can hold one run."""
    cancel: Mapped[datetime | None]
    """When it was asked to stop."""
    start: Mapped[int] = mapped_column(default=1)
    """How often the job was submitted or resumed; the record of its end is named after it."""
    short: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it was expected to be short when it was submitted (queue/turns.py)."""
    turn: Mapped[int] = mapped_column(default=0, server_default="0")
    """Where an administrator put it in the queue: jobs of a higher number come first."""
    paused: Mapped[datetime | None]
    """Since when it waits because somebody paused it."""
    taken: Mapped[datetime | None] = mapped_column(index=True)
    """When it last had its turn; `started` is when it first had."""
    estimate: Mapped[str | None] = mapped_column(Text)
    """The seconds that a check expected it to take, as JSON."""
    attempt: Mapped[int] = mapped_column(default=0)
    """How many processes were started since it was last submitted or resumed."""
    created: Mapped[datetime] = mapped_column(default=now)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    seconds: Mapped[int | None]
    """How long it took, from its first start to its end; None before."""
    pid: Mapped[int | None]
    pid_started: Mapped[int | None]
    """The kernel's start time of that process; another process with the same number has another one."""
    events_from: Mapped[int] = mapped_column(default=0)
    """Where this job's events begin in the run's events.jsonl, in bytes."""
    events_to: Mapped[int | None]
    error: Mapped[str | None]
    """The name of the error that ended the job."""
    message: Mapped[str | None] = mapped_column(Text)
    replaced: Mapped[str | None] = mapped_column(Text)
    """The run's request before this one; it is put back if this one is refused."""
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str]
    """The SHA-256 of the request: the same idempotency key must come with the same request."""
    run: Mapped[Run] = relationship(lazy="joined", innerjoin=True)
    """Its run, which has the title. Whoever locks a job says `of=Job`, so that the run is not locked with it."""


class Upload(Described, Base):
    """An unpacked zip that requests may name as `data.root`. Its source is the name of the file."""

    __tablename__ = "uploads"
    __table_args__ = (UniqueConstraint("key_id", "idempotency_key"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(index=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"))
    created: Mapped[datetime] = mapped_column(default=now)
    files: Mapped[int]
    size: Mapped[int]
    sha256: Mapped[str]
    idempotency_key: Mapped[str | None]


class QueueOwner(Base):
    """The one state folder whose service owns the queue (queue_owner.py)."""

    __tablename__ = "keeper"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str]


class QueuePause(Base):
    """The pause of the whole queue; without a row it goes on."""

    __tablename__ = "queue_pause"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(default=now)
    who: Mapped[str]
    """The name of the key that paused it."""


class AuditEntry(Base):
    """An entry of the audit: who did what, when.

    It is committed together with what it tells of, never altered, and removed when it is old enough (retention.py).
    """

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    time: Mapped[datetime] = mapped_column(default=now)
    key_id: Mapped[str | None]
    project: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None]
