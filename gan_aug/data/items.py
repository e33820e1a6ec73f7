"""What a source hands over: images that are not decoded yet, and what the data set declares about itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gan_aug.data.assumptions import NOTHING, Assumed
from gan_aug.data.labels import spelling_key
from gan_aug.data.manifest import Split, Task
from gan_aug.errors import ConfigError

Pixels = npt.NDArray[Any]
"""A decoded image, `(H, W)` or `(H, W, 3)`, uint8, uint16 or float32."""

SPLIT_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The words that folders and tables use for a split, in lower case."""

_SPLIT_ENDINGS = re.compile(r"(?:set|data|images?|imgs?|split|part)$")


def split_of(word: str) -> Split | None:
    """The split that a word of a folder or table means, however it is written: `Train`, `test-set`, `val_images`.

    None for any other word.
    """
    letters = re.sub(r"[\s_.-]+", "", word.lower())
    return SPLIT_WORDS.get(letters) or SPLIT_WORDS.get(_SPLIT_ENDINGS.sub("", letters))


@dataclass(frozen=True)
class Item:
    """One image of a source, before it is decoded.

    Attributes:
        origin: Where the image comes from, without identities or absolute paths.
        labels: The names of its labels. A multi-class image has exactly one.
        read: Decodes the pixels. It raises DataError with the reason if it cannot.
        split: The split that the source gives the image, or None.
        patient: The patient's identifier as the source has it, or None. It stays in memory.
        file: The file that holds the pixels, if they come from one; several items may share it. `read` is then a
            partial of an importable function, so that other processes can call it.
        spacing: The distance between pixel centres in millimetres, (down, across), or None if it is not known.
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
    """An item after reading.

    Attributes:
        image: The image as it is stored, `(C, H, W) uint8`.
        content: The hash of the stored image; see `content_hash`.
        original_size: The (height, width) in pixels before resizing.
        coloured: Whether the decoded image had colour.
        assumed: What was assumed to decode it.
    """

    image: npt.NDArray[np.uint8]
    content: str
    original_size: tuple[int, int]
    coloured: bool
    assumed: Assumed = NOTHING


@dataclass(frozen=True)
class Rejected:
    """A file or row that was set aside, and why."""

    origin: str
    reason: str
    counts: bool = True
    """Whether it counts toward `data.max_rejected`. A file that was never meant to be an image does not."""


@dataclass(frozen=True)
class Source:
    """A data set before import: its items, and what it declares about itself.

    Attributes:
        name: The name of the data set.
        task: Whether an image has exactly one label (`multi-class`) or any number of them (`multi-label`).
        labels: The label names, in the manifest's order.
        items: The images, not decoded yet.
        positive: The label that means disease, or None.
        flips: The mirrorings (`horizontal`, `vertical`) that leave the labels true.
        size: The (height, width) in pixels that all images have, or None if they differ.
        channels: The number of channels that all images have, or None if it is not known.
        on_leak: What to do about a patient or an image in two splits, unless the config says otherwise.
        rejected: The files and rows that were set aside without decoding.
        window: `full` if reading an item applies a grey window already, else None.
        cacheable: Whether the next import will find the files at the same paths. Files that are fetched from an
            archive for one import will not be there.
        details: For each origin, what was found and what was assumed; for the import report.
        split_column: The table's column that gives the splits, or None.
        notes: How the files were understood, as sentences that every report about the data set must repeat.
        remarks: What else is to be said to who imports them, such as a column that is not used.
        test_alike: How its makers drew its test from the same images as its training images, as the rest of a sentence;
            None if it has no test, or one that may differ.
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
    cacheable: bool = True
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    split_column: str | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    test_alike: str | None = None

    def counts(self) -> dict[str, dict[str, int]]:
        """The number of items per split and label. The split is `unsplit` if the source gives none."""
        counts: dict[str, dict[str, int]] = {}
        for item in self.items:
            row = counts.setdefault(item.split or "unsplit", dict.fromkeys(self.labels, 0))
            for label in item.labels:
                row[label] += 1
        return counts

    def named(self, names: dict[str, str]) -> Source:
        """The source with its labels renamed; labels that get the same name become one class.

        Args:
            names: The new name of each label to rename.

        Raises:
            ConfigError: If a key of `names` is not a label, or if one class would be left of several.
        """
        # `0` in the config is the label `0.0` of a table, if there is no label `0`.
        spelled = {spelling_key(label): label for label in self.labels if label not in names}
        names = {key if key in self.labels else spelled.get(spelling_key(key), key): new for key, new in names.items()}
        if unknown := [label for label in names if label not in self.labels]:
            known = ", ".join(self.labels)
            raise ConfigError(f"data.names: there is no label {unknown[0]!r}: the labels are {known}")
        new = {label: names.get(label, label) for label in self.labels}
        labels = tuple(dict.fromkeys(new.values()))
        if len(labels) == 1 < len(self.labels):
            raise ConfigError(f"data.names gives every label the name {labels[0]!r}: keep at least two classes")
        items = (replace(item, labels=tuple(dict.fromkeys(new[label] for label in item.labels))) for item in self.items)
        return replace(self, labels=labels, items=tuple(items), positive=self.positive and new[self.positive])

    def limited(self, count: int) -> Source:
        """The source with the first `count` items of each class in each split.

        An item with several labels is kept if any of its classes has fewer than `count` items so far. Items without a
        label count as one class.
        """
        counts: dict[tuple[Split | None, str], int] = {}
        items = []
        for item in self.items:
            classes = [(item.split, label) for label in item.labels or ("",)]
            if any(counts.get(one, 0) < count for one in classes):
                items.append(item)
                counts.update({one: counts.get(one, 0) + 1 for one in classes})
        return replace(self, items=tuple(items))
