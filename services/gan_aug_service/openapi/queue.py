"""The bodies and answers of the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gan_aug_service.openapi.schemas import In, JobOut


class TurnIn(In):
    """Where an administrator puts a job that waits."""

    model_config = ConfigDict(json_schema_extra={"example": {"turn": "first"}})
    turn: Literal["first", "usual", "last"] = Field(
        description="first: before all others; last: behind them; usual: when it is its project's turn"
    )


class QueueOut(BaseModel):
    """The queue: what waits, in order, and how much may work at once."""

    paused: datetime | None = Field(description="since when an administrator lets no job start")
    paused_by: str | None
    working: int = Field(description="jobs at work, of all projects")
    room: int = Field(description="jobs of any length that may work at once")
    room_short: int = Field(description="short jobs that may work beside those")
    waiting: int = Field(description="jobs that wait for their turn, of all projects")
    items: list[JobOut] = Field(description="the jobs that the key may see, in the order in which they start")
