"""What every section of the config is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the config: unknown keys are faults, values are frozen.

    Defaults go through validation too, so that a value is spelt the same (10000.0, never 10000) wherever it came from:
    identities are hashes of that spelling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
