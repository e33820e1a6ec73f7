"""Titles: what people call a run, an upload or a data set. One line, in any script, of bounded length."""

from __future__ import annotations

import unicodedata

TITLE_LENGTH = 120
"""Characters that a title may have."""

BIDIRECTIONAL = {chr(sign) for sign in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Characters that turn the direction of what follows them: a title with one could change how a page reads."""


def checked_title(text: str) -> str:
    """A title as it is stored: composed (NFC), with single spaces; raises ValueError, with the reason, if unfit."""
    if any(is_refused(sign) for sign in text):
        raise ValueError("it holds a line break, a control character or one that turns the direction of text")
    title = _plain(text)
    if not _is_visible(title):
        raise ValueError("it is empty")
    if len(title) > TITLE_LENGTH:
        raise ValueError(f"it has {len(title)} characters: use at most {TITLE_LENGTH}")
    return title


def fitted_title(text: str, otherwise: str = "untitled") -> str:
    """A title made of any text, such as a file's name: what a title may not hold is left out, and it is cut to length.

    Args:
        text: The text.
        otherwise: The title if nothing is left.

    Returns:
        A title that `checked_title` accepts.
    """
    title = _plain("".join(" " if is_refused(sign) else sign for sign in text))
    if len(title) > TITLE_LENGTH:
        title = f"{title[: TITLE_LENGTH - 1].rstrip()}…"
    return title if _is_visible(title) else otherwise


def is_refused(sign: str) -> bool:
    """Whether a title may not hold this character: it controls something, or turns the direction of text."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Co", "Zl", "Zp") or sign in BIDIRECTIONAL


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_visible(title: str) -> bool:
    return any(unicodedata.category(sign)[0] not in "CZ" for sign in title)
