"""Answers about what can be known of a job before it is queued, and how long it still takes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

NOT_STAGES = ("all", "counted")


class EstimateOut(BaseModel):
    """About how long a job takes on this machine, at the speed that it had when it was checked."""

    seconds: float
    stages: dict[str, float] = Field(description="seconds of each stage")
    counted: dict[str, str] = Field(description="what the seconds of a stage are for")
    words: str = Field(description="the same as a sentence has it")

    @classmethod
    def of(cls, seconds: dict[str, Any] | None) -> EstimateOut | None:
        """The estimate in the seconds of a dry run; None if it has none."""
        if not seconds:
            return None
        stages = {name: value for name, value in seconds.items() if name not in NOT_STAGES}
        return cls(
            seconds=seconds["all"],
            stages=stages,
            counted=seconds.get("counted", {}),
            words=estimate_in_words(seconds["all"], stages),
        )


class CheckOut(BaseModel):
    """What was found before a job is queued; a fault that would stop it is a problem instead."""

    complete: bool = Field(description="its data were looked at; false: the request alone, or the look took too long")
    findings: list[str] = Field(description="what to know first")
    labels: dict[str, int] = Field(description="images of each label")
    splits: dict[str, int] = Field(description="images of each split")
    set_aside: int | None = Field(description="files that cannot be used")
    memory: int | None = Field(description="bytes that each process of a training takes, about")
    estimate: EstimateOut | None


class RemainingOut(BaseModel):
    """How long a job still takes, about."""

    seconds: float | None = Field(description="null if nothing is known to tell it by")
    words: str
    estimate: EstimateOut | None = Field(description="what was expected before it started")


def duration_in_words(seconds: float) -> str:
    """A time as people say it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def estimate_in_words(total: float, stages: dict[str, float]) -> str:
    """An estimate as a sentence has it: `about 12 min (train 7 min, compare 4 min)`.

    Args:
        total: Seconds of all stages.
        stages: Seconds of each stage; those of less than a twentieth are left out.
    """
    large = [f"{name} {duration_in_words(value)}" for name, value in stages.items() if value >= total / 20]
    return f"about {duration_in_words(total)}" + (f" ({', '.join(large)})" if len(large) > 1 else "")
