"""What people call a record and say of it: a title, where it is from, an owner, tags and notes; and how it is found."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator, event
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from gan_aug.config.titles import fitted_title

UNTITLED = "untitled"


class Lines(TypeDecorator[tuple[str, ...]]):
    """Words of one line each, stored as text in which each is between two line breaks, so that one can be found."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        """The text that is stored."""
        del dialect
        return "".join(f"\n{line}" for line in value or ()) + "\n"

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        """The lines of a stored text."""
        del dialect
        return tuple((value or "").split("\n")[1:-1])


class Described:
    """The columns of a record that has a title. `words` follows from the others whenever the record is written."""

    title: Mapped[str] = mapped_column(default=UNTITLED)
    source: Mapped[str] = mapped_column(default="")
    """What it was made from, in words: a file's name, a data source."""
    owner: Mapped[str] = mapped_column(default="")
    """The name of who made it, as it was then."""
    tags: Mapped[tuple[str, ...]] = mapped_column(Lines, default=())
    notes: Mapped[str] = mapped_column(Text, default="")
    words: Mapped[str] = mapped_column(Text, default="")
    """What a search looks in, folded; it begins with the title, so that it also sorts by title."""

    @property
    def searched(self) -> tuple[str, ...]:
        """What else a search looks in."""
        return ()


def folded(text: str) -> str:
    """Text for comparisons: without difference between capitals and small letters, and between ways to write one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@event.listens_for(Described, "before_insert", propagate=True)
@event.listens_for(Described, "before_update", propagate=True)
def _describe(mapper: Mapper[Any], connection: Any, record: Any) -> None:
    """Keep the words of a record as its other columns are."""
    del mapper, connection
    record.title = fitted_title(record.title or record.source or "", UNTITLED)
    texts = (record.title, record.source, record.owner, *(record.tags or ()), record.notes, *record.searched, record.id)
    record.words = folded("\n".join(text for text in texts if text))
