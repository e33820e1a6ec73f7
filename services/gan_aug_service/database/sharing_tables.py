"""The tables of what people share: projects, what was released, with whom a project shares, and notices to owners."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from gan_aug_service.database.tables import Base, new_id, now


class Project(Base):
    """A project, made on purpose: runs, jobs, uploads and keys are of one, and name it by `name`, which stays."""

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    """What people read; it can be changed."""
    created: Mapped[datetime] = mapped_column(default=now)
    archived: Mapped[datetime | None]
    """Since when nothing new may be made in it; it can still be read."""


class Share(Base):
    """A project that shows its released synthetic sets, and nothing else, to the members of another one."""

    __tablename__ = "shares"

    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    reader: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True, index=True)
    created: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str]
    """The name of who shared."""


class Notice(Base):
    """What somebody else did to what is a key's own."""

    __tablename__ = "notices"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"), index=True)
    """Whom it tells: the owner."""
    created: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str]
    """The name of who did it."""
    action: Mapped[str]
    """What was done, as the audit calls it."""
    target: Mapped[str] = mapped_column(index=True)
    """The id of the record that it was done to."""
    text: Mapped[str] = mapped_column(Text)
    """All of it in a sentence."""
    read: Mapped[datetime | None]


class Release(Base):
    """A synthetic set or a model that was let out of its project: by whom, to whom or for what, and after which audit.

    It is never removed. It stands until it is withdrawn, as long as what was released is still the same.
    """

    __tablename__ = "releases"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    project: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str]
    """`set` or `model`."""
    identity: Mapped[str]
    """The fingerprint of the set, or the id of the model's checkpoint."""
    audit: Mapped[str | None]
    """The sum of the privacy audit that it was released after; None if there was none."""
    verdict: Mapped[str | None] = mapped_column(Text)
    """What that audit said, in words."""
    recipient: Mapped[str] = mapped_column(Text)
    """To whom it is released, or for what use."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it was released against the audit; None if the audit allowed it."""
    created: Mapped[datetime] = mapped_column(default=now)
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"))
    name: Mapped[str]
    """The name of who released it."""
    withdrawn: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]
    """The name of who withdrew it."""
