"""What an import would find in a folder: classes with their counts, DICOM files, tables. Nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.locate import is_hidden
from gan_aug.data.reading.decode import is_image_file
from gan_aug.data.sources.folder import TABLES, open_folder
from gan_aug.data.sources.folder_layout import Layout, layout_of
from gan_aug.errors import GanAugError

MOST_FILES = 200_000
"""Files that are looked at; in a folder with more, counts are of these."""

PREAMBLE = 128
SAMPLES = 40
"""Images that a page shows at most."""


@dataclass(frozen=True)
class FolderPreview:
    """What an import would find.

    Attributes:
        files: How many files there are, without those that a system put there.
        size: Their bytes.
        counted_all: Whether all were counted; else there are more.
        outer: The folders that wrap all class folders, and mean nothing.
        classes: How many images each class folder has.
        dicom: How many of the files are DICOM.
        tables: Tables of labels at the top.
        source: The source to choose; empty if none fits.
        said: It in a sentence.
        fault: Why the class folders cannot be imported as they are; empty if they can, or if there are none.
        samples: A few image files, of each class in turn, relative to the folder.
    """

    files: int
    size: int
    counted_all: bool
    outer: tuple[str, ...]
    classes: dict[str, int]
    dicom: int
    tables: tuple[str, ...]
    source: str
    said: str
    fault: str
    samples: tuple[tuple[str, str], ...]


def preview_folder(folder: Path) -> FolderPreview:
    """Look at a folder; what was seen is known again until the folder changes at its top."""
    found = folder.stat()
    return _preview(folder, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=128)
def _preview(folder: Path, changed: int, number: int) -> FolderPreview:
    del changed, number
    paths: list[Path] = []
    size = dicom = 0
    for path in _files(folder):
        if len(paths) == MOST_FILES:
            break
        paths.append(path)
        size += path.stat().st_size
        dicom += not is_image_file(path) and _is_dicom(path)
    counted_all = len(paths) < MOST_FILES
    images = [path.relative_to(folder).parts for path in paths if is_image_file(path)]
    tables = tuple(sorted(path.name for path in folder.iterdir() if path.suffix.lower() in TABLES))
    layout, fault = _layout(folder, images) if images else (Layout(), "")
    places = [(layout.place(parts[:-1]), "/".join(parts)) for parts in images]
    labelled = [(place.label, name) for place, name in places if place]
    classes = dict(sorted(Counter(label for label, _ in labelled).items()))
    if classes and not fault and not dicom:
        fault = _refusal(folder)
    source = _source(classes, dicom, tables)
    loose = len(images) - len(labelled)
    return FolderPreview(
        files=len(paths),
        size=size,
        counted_all=counted_all,
        outer=layout.base,
        classes=classes,
        dicom=dicom,
        tables=tables,
        source=source,
        said=_loose(loose) if loose and not (source or dicom) else _said(layout, classes, dicom, tables, source),
        fault=fault,
        samples=tuple(_in_turn(labelled)),
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder at any depth, without hidden ones and without following links."""
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(files):
            path = Path(above) / name
            if not is_hidden(name) and not path.is_symlink():
                yield path


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in (".dcm", ".dicom"):
        return True
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    with path.open("rb") as file:
        file.seek(PREAMBLE)
        return file.read(4) == b"DICM"


def _layout(folder: Path, images: list[tuple[str, ...]]) -> tuple[Layout, str]:
    try:
        return layout_of((parts[:-1] for parts in images), folder.name), ""
    except GanAugError as error:
        return Layout(), str(error)


def _refusal(folder: Path) -> str:
    """Why an import of the class folders is refused, in the import's own words; empty if it is not."""
    try:
        open_folder(DataConfig(source="folder", root=folder))
    except GanAugError as error:
        return str(error)
    return ""


def _source(classes: dict[str, int], dicom: int, tables: tuple[str, ...]) -> str:
    if dicom > sum(classes.values()):
        return "dicom"
    if classes:
        return "folder"
    return "csv" if tables else ""


def _said(layout: Layout, classes: dict[str, int], dicom: int, tables: tuple[str, ...], source: str) -> str:
    parts = []
    if layout.base:
        parts.append(f"{'One outer folder' if len(layout.base) == 1 else 'Outer folders'}: {'/'.join(layout.base)}")
    if classes and source == "folder":
        shown = [f"{label} ({count:,})" for label, count in list(classes.items())[:12]]
        more = f" and {len(classes) - 12} more" if len(classes) > 12 else ""
        parts.append(f"{'class' if len(classes) == 1 else 'classes'} {', '.join(shown)}{more}")
    if layout.splits:
        parts.append("with folders for training, validation or test, which are kept")
    if dicom:
        parts.append(f"DICOM, {dicom:,} {'file' if dicom == 1 else 'files'}: choose the source dicom")
    if tables and source != "dicom":
        parts.append(f"a table, {tables[0]}: choose the source csv if it holds the labels")
    if not parts:
        return "No image, DICOM file or table was found."
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}."


def _loose(count: int) -> str:
    """What is said of images without class folders."""
    what = "1 image file is" if count == 1 else f"{count:,} image files are"
    return f"{what} in no class folder: put the images of each class into a folder of its own, and send that folder."


def _in_turn(labelled: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """A few images, so that each class has its share: label and path."""
    by_label: dict[str, list[str]] = {}
    for label, name in labelled:
        by_label.setdefault(label, []).append(name)
    each = max(1, SAMPLES // max(1, len(by_label)))
    for label in list(by_label)[:SAMPLES]:
        names = by_label[label]
        step = max(1, len(names) // each)
        yield from ((label, name) for name in names[::step][:each])
