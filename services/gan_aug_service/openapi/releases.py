"""The bodies and answers of releases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gan_aug_service.database.sharing_tables import Release
from gan_aug_service.openapi.schemas import In

ONE_LINE = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$"
"""A line in any script, without characters that turn around what one reads."""

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300, pattern=ONE_LINE)]
"""A few words in any script, on one line."""

RELEASE_EXAMPLE = {
    "id": "019aa5d90f1e2d3c4b5a6978", "run": "019aa5c3f1e08c1d2e3f4a5b", "project": "default", "subject": "set",
    "identity": "e20c44d17ab95f83", "audit": "9b2d5f0c1e7a4683" * 4,
    "verdict": "The set may be released. The model may be released.", "recipient": "the teaching class of 2026",
    "reason": None, "released": "2026-11-21T13:00:00Z", "released_by": "data protection", "withdrawn": None,
    "withdrawn_by": None, "stands": True,
}  # fmt: skip


class ReleaseIn(In):
    """To whom a set or a model is released."""

    model_config = ConfigDict(json_schema_extra={"example": {"recipient": "the teaching class of 2026"}})
    recipient: Sentence = Field(description="to whom it is released, or for what use")
    reason: Sentence | None = Field(
        None, description="why it is released though the privacy audit refuses it, or there is none: for admins"
    )


class ReleaseOut(BaseModel):
    """A release: what was let out of its project, after which audit, by whom, when, and to whom or for what use."""

    id: str
    run: str
    project: str
    subject: Literal["set", "model"]
    identity: str = Field(description="the fingerprint of the set, or the id of the model's checkpoint")
    audit: str | None = Field(description="the sum in the audit's file; null if it was released without an audit")
    verdict: str | None = Field(description="what that audit said")
    recipient: str
    reason: str | None = Field(description="why it was released against the audit; null if the audit allowed it")
    released: datetime
    released_by: str
    withdrawn: datetime | None
    withdrawn_by: str | None
    stands: bool = Field(
        description="whether downloads rest on it now: it is not withdrawn, what was released is the same, and the "
        "newest audit allows it, or is the one that it was released against"
    )

    @classmethod
    def of(cls, release: Release, *, stands: bool) -> ReleaseOut:
        """The answer for a release."""
        return cls(
            id=release.id,
            run=release.run_id,
            project=release.project,
            subject="set" if release.subject == "set" else "model",
            identity=release.identity,
            audit=release.audit,
            verdict=release.verdict,
            recipient=release.recipient,
            reason=release.reason,
            released=release.created,
            released_by=release.name,
            withdrawn=release.withdrawn,
            withdrawn_by=release.withdrawn_by,
            stands=stands,
        )
