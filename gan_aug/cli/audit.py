"""What the command `audit` prints, and how it ends."""

from __future__ import annotations

from typing import Any

from gan_aug.errors import ReleaseRefused
from gan_aug.privacy.record import refusal, to_text


def in_words(records: list[dict[str, Any]]) -> str:
    """The audits as text, one after the other."""
    heads = [f"GAN {number}: " if len(records) > 1 else "" for number in range(len(records))]
    return "\n\n".join(f"{head}{to_text(record)}" for head, record in zip(heads, records, strict=True))


def raise_refused(records: list[dict[str, Any]]) -> None:
    """Raise ReleaseRefused if a set is refused."""
    for record in records:
        if why := refusal(record, "set"):
            raise ReleaseRefused(f"the audit refuses the set: {why}")
