"""The bodies and answers of projects, their members, with whom they share, and notices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gan_aug_service.database.sharing_tables import Notice, Project
from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.people.names import Name
from gan_aug_service.openapi.releases import ONE_LINE
from gan_aug_service.openapi.schemas import In

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=ONE_LINE)]
PROJECT_ID = "019aa5a0b1c2d3e4f5061728"
PROJECT_EXAMPLE = {
    "id": PROJECT_ID, "name": "radiology", "title": "Radiology, thorax", "created": "2026-11-21T12:00:00Z",
    "archived": None, "shared_with": ["teaching"],
}  # fmt: skip
NOTICE_EXAMPLE = {
    "id": "019aa5d90f1e2d3c4b5a6979", "created": "2026-11-21T13:00:00Z", "by": "head of radiology",
    "action": "job.cancel", "target": "019aa5c3f1e08c1d2e3f4a5b",
    "text": "head of radiology stopped your job run 3f4a5b.", "read": None,
}  # fmt: skip


class ProjectIn(In):
    """A project to make."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "radiology", "title": "Radiology, thorax"}})
    name: Name = Field(description="what keys, jobs and settings call it; it stays")
    title: Title | None = Field(None, description="what people read; without it, the name")


class ProjectChange(In):
    """What to change of a project; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Radiology, thorax and abdomen"}})
    title: Title | None = None
    archived: bool | None = Field(
        None, description="true: nothing new may be made in it, and it can still be read; for admins"
    )


class ShareIn(In):
    """With whom to share."""

    model_config = ConfigDict(json_schema_extra={"example": {"reader": "teaching"}})
    reader: Name = Field(description="the name of the project whose members see the released synthetic sets")


class ProjectOut(BaseModel):
    """A project."""

    id: str
    name: str
    title: str
    created: datetime
    archived: datetime | None
    shared_with: list[str] = Field(description="names of projects whose members see its released synthetic sets")

    @classmethod
    def of(cls, project: Project, shared_with: list[str]) -> ProjectOut:
        """The answer for a project."""
        return cls(
            id=project.id,
            name=project.name,
            title=project.title,
            created=project.created,
            archived=project.archived,
            shared_with=shared_with,
        )


class MemberChange(In):
    """Another role for a member."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "releaser"}})
    role: Role


class NoticeOut(BaseModel):
    """What somebody else did to what is yours."""

    id: str
    created: datetime
    by: str
    action: str
    target: str
    text: str
    read: datetime | None

    @classmethod
    def of(cls, notice: Notice) -> NoticeOut:
        """The answer for a notice."""
        return cls(
            id=notice.id,
            created=notice.created,
            by=notice.name,
            action=notice.action,
            target=notice.target,
            text=notice.text,
            read=notice.read,
        )
