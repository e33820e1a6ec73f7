"""The provenance chain of a run: its links, the state of each, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gan_aug.errors import CheckpointError, DataError, GanAugError, LeakageError, ManifestError

State = Literal["ok", "ALTERED", "missing", "LEAKED", "unknown", "skipped"]


@dataclass(frozen=True)
class Link:
    """One artefact of a run: its `name` below the run folder, its state, and a clause that says what was found."""

    name: str
    state: State
    says: str
    error: type[GanAugError] = DataError
    """The error that is raised if the link is broken."""

    @property
    def is_broken(self) -> bool:
        """Whether what follows from this artefact cannot be trusted."""
        return self.state in ("ALTERED", "missing", "LEAKED")


@dataclass(frozen=True)
class Chain:
    """The links in order, from the images to the report."""

    links: tuple[Link, ...]

    @property
    def broken(self) -> Link | None:
        """The link that decides the verdict: the first leak, else the first broken link."""
        broken = [link for link in self.links if link.is_broken]
        return next((link for link in broken if link.state == "LEAKED"), broken[0] if broken else None)

    @property
    def verdict(self) -> str:
        """One sentence about the whole chain."""
        count = sum(link.is_broken for link in self.links)
        if self.broken:
            more = f" ({count} broken links in all)" if count > 1 else ""
            return f"{self.broken.name} is {self.broken.state}: {self.broken.says}{more}"
        skipped = [f"{link.name} was not compared: {link.says}" for link in self.links if link.state == "skipped"]
        if any(link.state == "unknown" for link in self.links):
            whole = (
                "the files are whole, but the synthetic images were made elsewhere: nothing here can say whether their "
                "generator had seen validation or test images, or their patients"
            )
        else:
            whole = "the chain is whole"
        return "; ".join([whole, *skipped])

    def to_json(self) -> dict[str, Any]:
        """The chain as JSON values."""
        links = [{"name": link.name, "state": link.state, "says": link.says} for link in self.links]
        return {"schema": 1, "whole": self.broken is None, "verdict": self.verdict, "links": links}

    def to_text(self) -> str:
        """The chain as text: one line per link, then the verdict."""
        names = [re.sub(r"([0-9a-f]{12})[0-9a-f]{52}", r"\1…", link.name) for link in self.links]
        width = max(map(len, names), default=0)
        lines = [f"{link.state:8} {name:{width}}  {link.says}" for name, link in zip(names, self.links, strict=True)]
        return "\n".join([*lines, "", f"Verdict: {self.verdict}."])

    def raise_broken(self) -> None:
        """Raise LeakageError if there is a leak, else the error of the first broken link, if there is one."""
        if self.broken:
            kind = LeakageError if self.broken.state == "LEAKED" else self.broken.error
            raise kind(f"the provenance chain is broken: {self.verdict}")


def broken_link(name: str, error: GanAugError) -> Link:
    """The link of an artefact whose check raised `error`."""
    kind = CheckpointError if isinstance(error, CheckpointError) else ManifestError
    return Link(name, "LEAKED" if isinstance(error, LeakageError) else "ALTERED", str(error), kind)


def some_of(rows: Iterable[int], most: int = 3) -> str:
    """Row numbers for a sentence, such as `3, 17, 20 and 12 more`."""
    known = list(rows)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(map(str, known[:most])) + more
