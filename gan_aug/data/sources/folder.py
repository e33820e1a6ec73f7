"""A folder of image files: one sub-folder per class, with split folders above or below them if there are any."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Rejected, Source, split_of
from gan_aug.data.labels import label_order, natural_key
from gan_aug.data.locate import data_folder, is_hidden
from gan_aug.data.reading.decode import NO_IMAGE, is_image_file, named_images, why_not
from gan_aug.data.sources.file_names import readable
from gan_aug.data.sources.folder_layout import Layout, Place, layout_of
from gan_aug.errors import ConfigError, DataError

TABLES = (".csv", ".tsv", ".xlsx", ".xls")


def open_folder(config: DataConfig) -> Source:
    """The images below `data.root`, labelled by their class folder; hidden files are passed over.

    Raises ConfigError without a root, and DataError if there are no class folders, one has no images, or they can be
    read in several ways.
    """
    if config.root is None:
        raise ConfigError("data.root is needed for the folder source: name the folder that holds one folder per class")
    root = data_folder(config.root)
    files = sorted(_files(root), key=lambda path: natural_key(path.as_posix()))
    shown = [tuple(readable(part) for part in path.relative_to(root).parts) for path in files]
    images = [is_image_file(path) for path in files]
    layout = layout_of(
        (parts[:-1] for parts, image in zip(shown, images, strict=True) if image), readable(root.resolve().name)
    )
    items: list[Item] = []
    rejected: list[Rejected] = []
    for path, parts, image in zip(files, shown, images, strict=True):
        found = _used(path, parts, image, layout, config)
        if isinstance(found, Rejected):
            rejected.append(found)
        else:
            items += found
    labels = {label for item in items for label in item.labels}
    _check_classes(root, layout, labels, rejected)
    return Source(
        readable(root.resolve().name),
        "multi-class",
        label_order(labels),
        tuple(items),
        rejected=tuple(rejected),
        remarks=(*layout.remarks, *_remarks(root, layout)),
    )


def _used(path: Path, parts: tuple[str, ...], image: bool, layout: Layout, config: DataConfig) -> list[Item] | Rejected:
    """The images in a file, or why it is set aside."""
    origin, place = "/".join(parts), layout.place(parts[:-1])
    if place is None:
        # A text beside the class folders was never meant to be an image.
        return Rejected(origin, "not in a class folder", counts=image or why_not(path) != NO_IMAGE)
    if not image:
        return Rejected(origin, why_not(path))
    try:
        return [
            Item(name, (place.label,), read, place.split, patient, path)
            for name, patient, read in named_images(path, config.slices, origin)
        ]
    except DataError as error:
        return Rejected(origin, str(error))


def _check_classes(root: Path, layout: Layout, labels: set[str], rejected: list[Rejected]) -> None:
    """Raise DataError if there are no classes, a class folder has no images, or two of them are one folder."""
    places: dict[Path, str] = {}
    for path, place in _class_folders(root, layout):
        if not path.exists():
            raise DataError(f"the class folder {readable(path.name)!r} of {readable(str(root))} is a link to nothing: "
                            "mend it, or remove it")  # fmt: skip
        other = places.setdefault(path.resolve(), place.label)
        if other != place.label:
            raise DataError(
                f"the classes {other!r} and {place.label!r} of {readable(str(root))} are one folder with two names: "
                "keep one of them"
            )
    if not places:
        raise DataError(
            f"{readable(str(root))} has no class folders: put the images of each class in a folder of its own"
            + (f"; or use data.source: csv with its table {tables[0]}" if (tables := _tables(root)) else "")
        )
    if empty := set(places.values()) - labels:
        name = label_order(empty)[0]
        reasons = Counter(one.reason for one in rejected if name in one.origin.split("/"))
        why = f" ({reasons.most_common(1)[0][0]})" if reasons else ""
        raise DataError(f"class {name!r} of {readable(str(root))} has no images{why}: add some, or remove its folder")


def _class_folders(root: Path, layout: Layout) -> Iterator[tuple[Path, Place]]:
    """The class folders on the disk, those without images too."""
    folder = root
    for part in layout.base:
        folder = next(path for path in _folders(folder) if readable(path.name) == part)
    if layout.splits != "above":
        yield from ((path, Place(readable(path.name))) for path in _folders(folder))
        return
    for split in _folders(folder):
        inner = [split]
        for _ in range(layout.skip):
            inner = [path for one in inner for path in _folders(one)]
        if split_of(split.name):
            yield from ((path, Place(readable(path.name))) for one in inner for path in _folders(one))


def _remarks(root: Path, layout: Layout) -> Iterator[str]:
    """What lies beside the images and is not used."""
    for name in _tables(root):
        yield f"the table {name} in {readable(root.name)} is not used: data.source: csv would read it"
    if (own := split_of(root.name)) and not layout.splits:
        beside = [path.name for path in _folders(root.resolve().parent) if split_of(path.name) not in (None, own)]
        if beside:
            yield (
                f"data.root is the folder {root.name}, and {beside[0]} beside it is not used: name the folder above "
                "to use both"
            )


def _tables(root: Path) -> list[str]:
    return sorted(readable(p.name) for p in root.iterdir() if p.suffix.lower() in TABLES and not is_hidden(p.name))


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order, without hidden ones; a link to nothing counts as one."""
    shown = [path for path in folder.iterdir() if not is_hidden(path.name)]
    found = [path for path in shown if path.is_dir() or (path.is_symlink() and not path.exists())]
    # A link that hangs may have been an image: only a name without an ending is taken for a folder's.
    return sorted((p for p in found if p.is_dir() or not p.suffix), key=lambda path: natural_key(path.name))


def _files(root: Path) -> Iterator[Path]:
    """All files at any depth without hidden ones; links to folders are followed, but never in a circle."""
    above = {root.resolve()}

    def walk(folder: Path, above: set[Path]) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not is_hidden(entry.name)]
        for entry in found:
            path = folder / entry.name
            if not entry.is_dir():
                yield path
                continue
            real = path.resolve()
            if real not in above:
                yield from walk(path, above | {real})

    yield from walk(root, above)
