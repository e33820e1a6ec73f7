"""What the folders above image files mean: classes, splits, or an outer folder that says nothing.

It looks at names alone, so that files on a disk and files in an archive are understood in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gan_aug.data.items import split_of
from gan_aug.data.labels import natural_key
from gan_aug.data.manifest import Split
from gan_aug.errors import DataError

MOST_CLASSES = 50
"""A folder that is alone may wrap up to this many class folders; with more in it, it is one class."""

STRAY = 0.05
"""Up to this share of its images a folder may hold itself, such as a logo, and still wrap class folders."""

Parts = tuple[str, ...]
"""The folders above a file, from the root down."""


@dataclass(frozen=True)
class Place:
    """What the folders above a file say of it: its class, and its split if they name one."""

    label: str
    split: Split | None = None


@dataclass(frozen=True)
class Layout:
    """How the folders of a data set are to be read.

    Attributes:
        base: Folders below the root that wrap all others, and mean nothing.
        splits: `above` if split folders hold class folders, `below` if class folders hold split folders, else None.
        skip: How many further folders below a split folder wrap its classes.
        remarks: How the folders were understood where that was not plain.
    """

    base: Parts = ()
    splits: str | None = None
    skip: int = 0
    remarks: tuple[str, ...] = ()

    def place(self, parts: Parts) -> Place | None:
        """What the folders above a file say of it; None if it is in no class folder."""
        if parts[: len(self.base)] != self.base:
            return None
        rest = parts[len(self.base) :]
        if self.splits == "above":
            split, rest = (split_of(rest[0]), rest[1 + self.skip :]) if rest else (None, ())
            return Place(rest[0], split) if split and rest else None
        if self.splits == "below":
            split = split_of(rest[1]) if len(rest) > 1 else None
            return Place(rest[0], split) if split else None
        return Place(rest[0]) if rest else None


@dataclass
class _Folder:
    """A folder with what is below it; folders without images are not there."""

    children: dict[str, _Folder] = field(default_factory=dict)
    direct: int = 0
    """Images directly in it."""

    def total(self) -> int:
        return self.direct + sum(child.total() for child in self.children.values())

    def splits(self) -> list[str]:
        return [name for name in self.children if split_of(name)]

    def others(self) -> list[str]:
        return [name for name in self.children if not split_of(name)]

    def at(self, parts: Iterable[str]) -> _Folder:
        found = self
        for part in parts:
            found = found.children[part]
        return found


def layout_of(places: Iterable[Parts], root: str, *, numbered: bool = True) -> Layout:
    """How the folders above images are to be read.

    Args:
        places: The folders above each image.
        root: What messages call the folder that holds them all.
        numbered: Whether folders that all have a number in their names may be classes within a single folder. In DICOM
            they are rather series or studies.

    Returns:
        The layout.

    Raises:
        DataError: They can be read in several ways, or contradict each other.
    """
    top = _tree(places)
    base = _wrapping(top, numbered)
    folder = top.at(base)
    where = "/".join((root, *base))
    remarks = [f"the data set is the folder {where}, the only one in {root} with images"] if base else []
    within = {name: child.splits() for name, child in folder.children.items()}
    if folder.splits():
        layout = _splits_above(folder, base, where)
    elif any(within.values()):
        layout = _splits_below(folder, base, where, within)
    else:
        layout = Layout(base, remarks=tuple(_doubts(folder, where)))
    return replace(layout, remarks=(*remarks, *layout.remarks))


def _tree(places: Iterable[Parts]) -> _Folder:
    top = _Folder()
    for parts in places:
        folder = top
        for part in parts:
            folder = folder.children.setdefault(part, _Folder())
        folder.direct += 1
    return top


def _wrapping(top: _Folder, numbered: bool) -> Parts:
    """The folders that hold all others and are no class: each is alone, and classes or splits are below it."""
    folder, base = top, []
    while len(folder.children) == 1:
        (name, child), *_ = folder.children.items()
        if split_of(name) or child.direct > STRAY * child.total():
            break
        folder = child
        base.append(name)
        if child.splits():
            # Splits within a class hold images themselves; splits of a data set hold class folders.
            holds_classes = any(child.children[split].children for split in child.splits())
            return tuple(base) if holds_classes else tuple(base[:-1])
        if 2 <= len(child.children) <= MOST_CLASSES:
            plain = numbered or not all(re.search(r"\d", name) for name in child.children)
            return tuple(base) if plain else ()
    return ()


def _splits_above(folder: _Folder, base: Parts, where: str) -> Layout:
    splits, others = folder.splits(), folder.others()
    if others:
        raise DataError(
            f"{where} has folders named after splits ({_first(splits)}) beside others ({_first(others)}): keep one "
            "folder per split with the classes in them, or one per class"
        )
    held = [set(folder.children[name].children) for name in splits]
    skip = 0
    if all(len(names) == 1 for names in held):
        inner = [next(iter(folder.children[name].children.values())) for name in splits]
        names = [frozenset(child.children) for child in inner]
        if len(set(names)) == 1 and 2 <= len(names[0]) <= MOST_CLASSES and not any(child.direct for child in inner):
            skip = 1
    said = f"in each split of {where} the classes are in {_listed(set().union(*held))}, the only folder there"
    return Layout(base, "above", skip, (said,) if skip else ())


def _splits_below(folder: _Folder, base: Parts, where: str, within: dict[str, list[str]]) -> Layout:
    """Class folders that hold split folders; refused if not all do, or if they hold further data sets."""
    for name, splits in within.items():
        child = folder.children[name]
        if not splits:
            other = _first([other for other, found in within.items() if found])
            raise DataError(
                f"the folder {name!r} in {where} has no folders named after splits, and {other!r} has some: give each "
                "class its own, or put one folder per split above the classes"
            )
        if child.direct or child.others():
            beside = f"the folder {_first(child.others())!r}" if child.others() else f"{child.direct} images"
            raise DataError(
                f"the folder {name!r} in {where} has {beside} beside folders named after splits ({_first(splits)}): "
                "put every image into one of the splits"
            )
    below = [child.children[split] for name, child in folder.children.items() for split in within[name]]
    names = {frozenset(one.children) for one in below}
    if len(names) == 1 and len(next(iter(names))) >= 2 and not any(one.direct for one in below):
        raise DataError(
            f"{where} holds several data sets with splits of their own ({_listed(folder.children)}): name one of them "
            "as data.root, or put their images together, split by split"
        )
    made = f"splits are the folders {_listed({split for splits in within.values() for split in splits})} in each class"
    return Layout(base, "below", 0, (made,))


def _doubts(folder: _Folder, where: str) -> Iterator[str]:
    """What may not be meant so, though it can be read."""
    classes = folder.children
    if len(classes) == 1:
        yield f"all images of {where} are of one class, {_first(list(classes))!r}"
    within = [(name, child.children) for name, child in classes.items() if not child.direct and len(child.children) > 1]
    numbered = [(name, held) for name, held in within if all(re.search(r"\d", one) for one in held)]
    if numbered:
        name, held = numbered[0]
        yield (  # without an example: remarks are logged, and such a folder may be named for its patient
            f"images of {name} lie in {len(held)} folders within it, which are not looked at: if each is a "
            "patient, a table with a column for the patient (data.source: csv) keeps every patient in one split"
        )
    if named := [one for one in within if one not in numbered]:
        name, held = named[0]
        yield (
            f"the folders within {name} ({_listed(held)}) are not looked at: all their images are of class {name!r}; "
            "if they are the classes, name a folder with nothing but them in it as data.root"
        )


def _first(names: Sequence[str]) -> str:
    return min(names, key=natural_key)


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names, key=natural_key)
    return ", ".join(ordered[:6]) + (f" and {len(ordered) - 6} more" if len(ordered) > 6 else "")
