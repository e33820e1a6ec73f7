"""Names that people give: of keys, projects and themselves, in any script."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

LENGTH = 64
JOINERS = "\u200c\u200d"
"""Characters without a shape that Persian, Hindi and other scripts need within a word."""

SIGNS = " .,_@'’·・()-"
RULE = "use up to 64 letters and digits of any script, spaces and . , _ @ ' ( ) -, and begin with a letter or digit"


def checked_name(text: str) -> str:
    """A name in its composed form (NFC); raises ValueError if it holds what no name does.

    Signs that can hide or turn around what one reads are refused, and so are those of markup.
    """
    name = unicodedata.normalize("NFC", text)
    fine = (
        0 < len(name) <= LENGTH
        and name == name.strip()
        and unicodedata.category(name[0])[0] in "LN"
        and all(_may_be_in_a_name(character) for character in name)
    )
    if not fine:
        raise ValueError(RULE)
    return name


def as_name(text: object) -> str | None:
    """What is left of a text from elsewhere as a name; None if nothing is."""
    if not isinstance(text, str):
        return None
    kept = "".join(
        character if _may_be_in_a_name(character) else " " for character in unicodedata.normalize("NFC", text)
    )
    words = " ".join(kept.split())
    start = next((place for place, character in enumerate(words) if unicodedata.category(character)[0] in "LN"), None)
    return None if start is None else words[start:][:LENGTH].strip() or None


def _may_be_in_a_name(character: str) -> bool:
    return character in SIGNS or character in JOINERS or unicodedata.category(character)[0] in "LMN"


Name = Annotated[
    str,
    Field(min_length=1, max_length=LENGTH, description=RULE),
    AfterValidator(checked_name),
]
"""A name as part of a request."""
