"""The base class of all config sections, and the types that they share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the config: unknown keys are faults, values are frozen.

    Defaults are validated too, so that a value always has the same spelling (10000.0, never 10000), whether it was
    given or not. This matters because requests are identified by hashes of that spelling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
