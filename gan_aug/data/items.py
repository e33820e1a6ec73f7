"""What a source hands over: items not yet decoded, and what the set declares about itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Split, Task
from gan_aug.errors import ConfigError

Pixels = npt.NDArray[Any]
"""A decoded image, `(H, W)` or `(H, W, 3)`, uint8 or uint16."""

SPLIT_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "training_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validation_set"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
"""The words that folders and tables use for a split, in lower case."""


@dataclass(frozen=True)
class Item:
    """One image of a source, before it is decoded.

    `origin` says where it comes from without identities or absolute paths; `labels` are label names (exactly one for
    multi-class); `read` decodes the pixels and raises DataError with the reason where it cannot; `patient` is the raw
    identity, which stays in memory. Where the pixels come from a file of their own or share one, `file` is that file,
    and `read` is a partial of an importable function, so that other processes can call it; `spacing` is the distance
    of pixels in millimetres, (down, across), where it is known.
    """

    origin: str
    labels: tuple[str, ...]
    read: Callable[[], Pixels]
    split: Split | None = None
    patient: str | None = field(default=None, repr=False)
    file: Path | None = field(default=None, repr=False)
    spacing: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """An item once it is read: the stored image, its hash, its size before (height, width), whether it had colour."""

    image: npt.NDArray[np.uint8]
    content: str
    native: tuple[int, int]
    coloured: bool


@dataclass(frozen=True)
class Rejected:
    """A file or row that was set aside, and why."""

    origin: str
    reason: str
    counts: bool = True
    """Whether it counts toward `data.max_rejected`: what was never meant to be an image does not."""


@dataclass(frozen=True)
class Source:
    """A data set before import: its items, and what it declares.

    `labels` are in the manifest's order; `size` is the native (height, width) and `channels` the native number where
    all images share them, else None; `rejected` was set aside without decoding; `window` is the grey range
    where reading has applied one already; `details` says per origin what was found and assumed.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    items: tuple[Item, ...]
    positive: str | None = None
    flips: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    channels: int | None = None
    on_leak: Literal["error", "drop"] = "error"
    rejected: tuple[Rejected, ...] = ()
    window: Literal["full"] | None = None
    lasting: bool = True
    """Whether its files will stand where they are for the next import; what an archive lends for one does not."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many items there are per split (`unsplit` where the set gives none) and label."""
        counts: dict[str, dict[str, int]] = {}
        for item in self.items:
            row = counts.setdefault(item.split or "unsplit", dict.fromkeys(self.labels, 0))
            for label in item.labels:
                row[label] += 1
        return counts

    def named(self, names: dict[str, str]) -> Source:
        """The source with its labels called by `names`; labels that get one name become one class.

        Raises ConfigError for a name of no label, and where a single class would be left of several.
        """
        if unknown := [label for label in names if label not in self.labels]:
            held = ", ".join(self.labels)
            raise ConfigError(f"data.names: there is no label {unknown[0]!r}: the labels are {held}")
        new = {label: names.get(label, label) for label in self.labels}
        labels = tuple(dict.fromkeys(new.values()))
        if len(labels) == 1 < len(self.labels):
            raise ConfigError(f"data.names calls every label {labels[0]!r}: leave at least two classes")
        items = (replace(item, labels=tuple(dict.fromkeys(new[label] for label in item.labels))) for item in self.items)
        return replace(self, labels=labels, items=tuple(items), positive=self.positive and new[self.positive])

    def limited(self, count: int) -> Source:
        """The source with the first `count` items of each class in each split.

        An item with several labels stays while any of them wants more; those with none count as one class.
        """
        kept: dict[tuple[Split | None, str], int] = {}
        items = []
        for item in self.items:
            places = [(item.split, label) for label in item.labels or ("",)]
            if any(kept.get(place, 0) < count for place in places):
                items.append(item)
                kept.update({place: kept.get(place, 0) + 1 for place in places})
        return replace(self, items=tuple(items))


def label_order(names: set[str]) -> tuple[str, ...]:
    """Label names sorted, with numbers by value: '2' before '10'."""
    return tuple(sorted(names, key=natural_key))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key that compares the digits within a name as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]
