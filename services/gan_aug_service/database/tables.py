"""The tables: who may ask, what was asked, and what came of it."""

from __future__ import annotations

import secrets
import time
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
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_PATTERN = "^[0-9a-f]{24}$"


def new_id() -> str:
    """A fresh identifier: 24 hexadecimal digits, the first 12 of them the time, so that ids sort by age."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"


def first_id(moment: datetime) -> str:
    """What no id made at that moment or later is below: the primary key finds records by their age."""
    return f"{max(0, int(moment.timestamp() * 1000)):012x}"


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class Role(StrEnum):
    """What a key may do: read its project's records; start and stop jobs there too; or everything everywhere."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class JobState(StrEnum):
    """Where a job stands; the last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen unless the job is resumed."""
        return self in ENDED


ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Moment(TypeDecorator[datetime]):
    """A time with its zone, also where the database keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give a stored time its zone back: what is stored is UTC."""
        del dialect
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Table(DeclarativeBase):
    """What every table is made of; constraints have fixed names, so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: Moment(),
        int: BigInteger(),
        str: String(200),
    }


class Key(Table):
    """An API key: what it may do and where, never the key itself."""

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


class BrowserSession(Table):
    """A browser that signed in with a key; it can do what the key can, for as long as the key can."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"), index=True)
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]


class Run(Table):
    """A run folder and its project, with which products stand in it."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(index=True)
    created: Mapped[datetime] = mapped_column(default=now)
    dataset: Mapped[bool] = mapped_column(default=False)
    model: Mapped[bool] = mapped_column(default=False)
    synthetic: Mapped[bool] = mapped_column(default=False)
    report: Mapped[bool] = mapped_column(default=False)


class Job(Table):
    """One verb asked for on one run folder."""

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
    verb: Mapped[str]
    config: Mapped[str] = mapped_column(Text)
    """The config as asked for, as JSON: its paths are relative to the service's data folder."""
    request: Mapped[str] = mapped_column(Text)
    """The config as the job's process gets it, as JSON: its paths are whole."""
    state: Mapped[str] = mapped_column(default=JobState.QUEUED)
    holds_run: Mapped[str | None] = mapped_column(unique=True)
    """The run's id while the job waits or works: no two jobs can hold one run."""
    cancel: Mapped[datetime | None]
    """When it was asked to stop."""
    start: Mapped[int] = mapped_column(default=1)
    """How often it was submitted or resumed: names the record of how this one ends."""
    attempt: Mapped[int] = mapped_column(default=0)
    """How many processes were started for this start."""
    created: Mapped[datetime] = mapped_column(default=now)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    pid: Mapped[int | None]
    pid_started: Mapped[int | None]
    """The kernel's start time of that process: a number used again is another process."""
    events_from: Mapped[int] = mapped_column(default=0)
    """Where this job's events begin in the run's record, in bytes."""
    events_to: Mapped[int | None]
    error: Mapped[str | None]
    """The name of the error that ended it."""
    message: Mapped[str | None] = mapped_column(Text)
    replaced: Mapped[str | None] = mapped_column(Text)
    """What the run was asked before, put back where this request is refused."""
    idempotency_key: Mapped[str | None]
    fingerprint: Mapped[str]
    """The SHA-256 of what was asked: the same idempotency key must come with the same request."""


class Upload(Table):
    """An unpacked zip that requests may name as `data.root`."""

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


class Keeper(Table):
    """The one state folder whose service keeps the queue (keeper.py)."""

    __tablename__ = "keeper"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str]


class AuditEntry(Table):
    """Who asked what, when; written with what it tells of, never altered, removed when old enough (retention.py)."""

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    time: Mapped[datetime] = mapped_column(default=now)
    key_id: Mapped[str | None]
    project: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None]
