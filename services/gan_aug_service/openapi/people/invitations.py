"""The bodies and answers of invitations."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.people.names import Name
from gan_aug_service.openapi.schemas import In

INVITATION_EXAMPLE = {
    "id": "019aa5e21f2e3d4c5b6a7980", "name": "class of 2026", "role": "viewer", "project": "teaching", "uses": 30,
    "used": 4, "created": "2026-11-21T12:00:00Z", "expires": "2026-11-28T12:00:00Z",
    "access_until": "2027-02-19T12:00:00Z", "revoked": None, "open": True,
}  # fmt: skip
NOT_BY_LINK = (Role.MANAGER, Role.ADMIN)
"""Roles that no link gives: whoever finds it could let others in."""


class InvitationIn(In):
    """An invitation to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "class of 2026", "role": "viewer", "project": "teaching", "uses": 30, "days": 7}
        }
    )
    name: Name = Field(description="whom it is for")
    role: Role = Role.VIEWER
    project: Name | None = Field(None, description="the project; without it, that of the key that asks")
    uses: int = Field(1, ge=1, le=1000, description="how many people may follow the link")
    days: int = Field(7, ge=1, le=365, description="days until the link ends")
    access_days: int | None = Field(
        90, ge=1, le=3650, description="days until the keys end that it gives; null for never"
    )

    @field_validator("role")
    @classmethod
    def _role(cls, role: Role) -> Role:
        if role in NOT_BY_LINK:
            raise ValueError("a link makes no managers and no administrators: an administrator makes that key")
        return role


class InvitationOut(BaseModel):
    """An invitation, without its link."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    role: Role
    project: str
    uses: int
    used: int
    created: datetime
    expires: datetime
    access_until: datetime | None
    revoked: datetime | None
    open: bool


class NewInvitation(InvitationOut):
    """A new invitation with its link, which is shown this once."""

    link: str


class FollowIn(In):
    """What somebody who follows an invitation sends."""

    model_config = ConfigDict(json_schema_extra={"example": {"invitation": "invite_...", "name": "李雷"}})
    invitation: str = Field(max_length=200, description="what the link has after `invitation=`")
    name: Name = Field(description="your name, in any script")
