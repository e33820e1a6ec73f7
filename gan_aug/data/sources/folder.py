"""A folder of image files: one sub-folder per class, or such a folder per split."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.items import SPLIT_WORDS, Item, Rejected, Source
from gan_aug.data.labels import label_order, natural_key
from gan_aug.data.locate import data_folder
from gan_aug.data.manifest import Split
from gan_aug.data.reading.decode import SUFFIXES, decode
from gan_aug.errors import ConfigError, DataError


def open_folder(config: DataConfig) -> Source:
    """The images below `data.root`, labelled by their class folder; hidden files are passed over.

    Raises ConfigError without a root, and DataError if there are no class folders or one has no images.
    """
    if config.root is None:
        raise ConfigError("data.root is needed for the folder source: name the folder that holds one folder per class")
    root = data_folder(config.root)
    items: list[Item] = []
    rejected = [Rejected(path.name, "not in a class folder") for path in _children(root) if path.is_file()]
    classes: set[str] = set()
    for split, folder in _split_folders(root):
        if split:
            stray = [path for path in _children(folder) if path.is_file()]
            rejected += [Rejected(_origin(path, root), "not in a class folder") for path in stray]
        for class_folder in _folders(folder):
            classes.add(class_folder.name)
            for path in _files(class_folder):
                if path.suffix.lower() in SUFFIXES:
                    read = partial(decode, path)
                    items.append(Item(_origin(path, root), (class_folder.name,), read, split, file=path))
                else:
                    rejected.append(Rejected(_origin(path, root), "not an image file"))
    if not classes:
        raise DataError(f"{root} has no class folders: put the images of each class in a folder of its own")
    if empty := classes - {item.labels[0] for item in items}:
        name = label_order(empty)[0]
        raise DataError(f"class {name!r} of {root} has no images: add some, or remove its folder")
    return Source(root.resolve().name, "multi-class", label_order(classes), tuple(items), rejected=tuple(rejected))


def _split_folders(root: Path) -> list[tuple[Split | None, Path]]:
    """The folders that hold class folders, with their split: those named after splits, or `root` itself."""
    folders = _folders(root)
    named = [folder for folder in folders if folder.name.lower() in SPLIT_WORDS]
    if not named:
        return [(None, root)]
    if others := [folder.name for folder in folders if folder not in named]:
        raise DataError(
            f"{root} has folders named after splits ({named[0].name}) beside others ({others[0]}): keep one folder per "
            "split with the classes in them, or one per class"
        )
    return [(SPLIT_WORDS[folder.name.lower()], folder) for folder in named]


def _children(folder: Path) -> list[Path]:
    """The files and folders in a folder, in natural order, without hidden ones."""
    return sorted((p for p in folder.iterdir() if not _hidden(p.name)), key=lambda path: natural_key(path.name))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _children(folder) if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    """All files at any depth, in natural order, without hidden ones."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=_fail):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [Path(place, name) for name in files if not _hidden(name)]
    return sorted(found, key=lambda path: natural_key(path.as_posix()))


def _fail(error: OSError) -> None:
    """Raise the error of a folder that cannot be read, which os.walk passes over by default."""
    raise error


def _hidden(name: str) -> bool:
    """Whether a file manager put it there and not the user."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _origin(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
