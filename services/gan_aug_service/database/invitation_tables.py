"""The table of invitations: links by which several people get keys of their own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from gan_aug_service.database.tables import Base, new_id, now


class Invitation(Base):
    """A link that gives each of several people a key: for which project and role, how often, and until when."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    """Whom it is for, such as a class."""
    role: Mapped[str]
    project: Mapped[str] = mapped_column(index=True)
    secret_sha256: Mapped[str]
    uses: Mapped[int]
    """How many people may follow it."""
    used: Mapped[int] = mapped_column(default=0)
    """How many did."""
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]
    """When the link ends."""
    access_until: Mapped[datetime | None]
    """When the keys end that it gives; None for never."""
    key_id: Mapped[str] = mapped_column(ForeignKey("keys.id"))
    """Who made it."""
    revoked: Mapped[datetime | None]

    @property
    def open(self) -> bool:
        """Whether it can still be followed, by somebody who then has access."""
        ended = self.expires <= now() or (self.access_until is not None and self.access_until <= now())
        return self.revoked is None and self.used < self.uses and not ended
