"""The model of the privacy audit's answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class PrivacyAuditOut(BaseModel):
    """What the privacy audit says of a synthetic set and of the model that made it."""

    id: str
    set_allowed: bool
    model_allowed: bool
    verdict: str
    """The verdict in words; `copies` and `membership` say what it rests on, `unseen` what an audit cannot see."""
    copies: str
    membership: str
    unseen: str
    figures: dict[str, Any]
    """As `docs/reference/audit.schema.json` describes them, with counts in place of lists of images."""
