"""The title of a run: one line in its folder, which its report repeats. It alters no result and no request."""

from __future__ import annotations

from pathlib import Path

from gan_aug.config.titles import checked_title, fitted_title
from gan_aug.errors import ConfigError
from gan_aug.run import layout
from gan_aug.run.files import write_text


def read_title(run: Path) -> str | None:
    """The title of the run folder `run`; None if it has none."""
    try:
        text = (run / layout.TITLE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return fitted_title(text, "") or None


def write_title(run: Path, title: str) -> None:
    """Give the run folder `run` a title; raises ConfigError if it is empty, too long, or no plain line of text."""
    try:
        text = checked_title(title)
    except ValueError as error:
        raise ConfigError(f"the title {title[:40]!r} cannot be used, since {error}: give another one") from None
    write_text(run / layout.TITLE, f"{text}\n")
