"""The base class of all config sections, and the types that they share."""

from __future__ import annotations

import re
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


def plain_address(url: str, secret_key: str) -> str:
    """`url`, if it is an address of http or https that holds no secret.

    `secret_key` is the key that a secret belongs into. Raises ValueError with the way out.
    """
    if "@" in url:
        raise ValueError(f"an address with a password would be recorded: use {secret_key}")
    if "?" in url or "#" in url:
        raise ValueError("what follows ? or # would be recorded: leave it out")
    if not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?(/[\w./~%+:-]*)?", url, re.ASCII):
        raise ValueError("write http://host/path or https://host/path")
    return url
