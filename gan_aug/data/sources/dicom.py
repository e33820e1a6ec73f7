"""DICOM files: which of them can be used, what labels, patient and split each has, and how a new one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.assumptions import assume
from gan_aug.data.dicom.files import DicomFile, find_files
from gan_aug.data.dicom.header import Header, read_header
from gan_aug.data.dicom.header_reader import HeaderReader, read_headers
from gan_aug.data.dicom.pixels import read_frame
from gan_aug.data.items import Item, Rejected, Source, split_of
from gan_aug.data.labels import is_missing, label_order
from gan_aug.data.manifest import Split, Task
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.csv_table import SetAsideError, label_reader
from gan_aug.data.sources.folder_layout import Layout, layout_of
from gan_aug.data.sources.kind import FileKind, NewImages, Opening
from gan_aug.data.sources.table import Table, open_table
from gan_aug.errors import ConfigError, DataError
from gan_aug.run.events import Progress

NAME = "dicom"
"""The set's name. The folder's own is not used, since it could be a patient's."""

ONE_CLASS = "image"
"""The label of every image if `data.dicom.label_from` is none."""

DICOM_ENDINGS = (".dcm", ".dicom", ".dic", ".ima")
"""How the names of DICOM files end, if they have an ending that is no number."""

CODED = {"CS", "AS", "IS", "DS", "US", "SS", "UL", "SL", "FL", "FD"}
"""Value representations that labels may come from: codes and numbers. Free text, dates and names may identify."""


@dataclass(frozen=True)
class Annotation:
    """What a table, a folder or a header says of an image."""

    labels: tuple[str, ...]
    split: Split | None = None
    patient: str | None = None


Annotator = Callable[[DicomFile, Header], Annotation]
"""Says what an image is; raises SetAsideError if that is not known."""


@contextmanager
def open_dicom(config: DataConfig, opening: Opening) -> Iterator[Source]:
    """The images in the DICOM files that `data.root` means, one item a frame; headers are read, nothing is decoded.

    Who an image is of is known by hashes alone, made with `opening.identity_key()`. `opening.progress` is told (files
    looked at, files in all). Raises ConfigError for labels that cannot be asked for, and DataError if there are no
    files. Files that cannot be used are in `rejected`, by number.
    """
    check_installed(NAME)
    files, rejected = find_files(config.root)
    layout = _layout(config, files)
    source = dicom_source(config, files, rejected, opening.identity_key(), opening.reader, opening.progress, layout)
    if not source.items and not source.rejected:
        raise DataError(f"data.root: {config.root} holds no files: name the folder, DICOMDIR or zip that does")
    yield source


def dicom_source(
    config: DataConfig,
    files: Iterable[DicomFile],
    rejected: list[Rejected],
    identity: IdentityKey,
    reader: Reader,
    progress: Progress | None = None,
    layout: Layout | None = None,
) -> Source:
    """The images in `files`, which are looked at as they come.

    Args:
        config: The section `data`.
        files: The files, numbered from 1.
        rejected: What is set aside already; it may grow while `files` come, and is added to.
        identity: The key for who an image is of.
        reader: What looks at headers if `files` are a sequence.
        progress: Is told (files looked at, files in all).
        layout: How folders are read for labels and splits, if labels come from there.

    Returns:
        The source, whose images have had their grey range applied.

    Raises:
        ConfigError: Labels cannot be asked for so.
        DataError: The table of labels is absent or unusable.
    """
    label_from = labelled_by(config)
    tag = None if label_from in ("table", "folder", "none") else _checked_tag(label_from)
    table = _table(config) if label_from == "table" else None
    annotate = (
        _from_table(config, table, identity)
        if table
        else partial(_from_folder_or_header, label_from, layout or Layout())
    )
    items: list[Item] = []
    details: dict[str, dict[str, Any]] = {}
    for file, header in read_headers(files, HeaderReader(config.dicom, identity, tag), reader, progress):
        if not isinstance(header, Header):
            rejected.append(header if isinstance(header, Rejected) else Rejected(file.origin, header))
            continue
        try:
            items += _items(config, file, header, annotate(file, header))
        except SetAsideError as error:
            rejected.append(Rejected(file.origin, str(error)))
            continue
        details[file.origin] = {"assumed": header.assumed, "spacing_mm": header.spacing, "frames": header.frames}
    labels, task = _labels(config, label_from, items)
    return Source(
        NAME,
        task,
        labels,
        tuple(items),
        rejected=tuple(rejected),
        window="full",
        details=details,
        split_column=table.split if table else None,
        notes=table.notes if table else (),
        remarks=table.remarks if table else _remarks(label_from, layout, labels),
    )


def labelled_by(config: DataConfig) -> str:
    """What labels come from: `data.dicom.label_from`, or without it the table if there is one, else folders."""
    return config.dicom.label_from or ("table" if config.table else "folder")


def new_frames(path: Path, config: DataConfig, raster: Raster) -> NewImages:
    """The frames of a new DICOM file that `data.dicom.frames` means, stored as `raster` says.

    Args:
        path: The file.
        config: The section `data` of the data set that it is to be read like.
        raster: How an image is stored. Its grey range is not applied, since `data.dicom.window` is.

    Yields:
        Each frame as `(C, H, W) uint8`, with its number from 1 if the file has several, else None.

    Raises:
        ConfigError: pydicom is not installed.
        DataError: The file is no DICOM image, or it may not be shown.
    """
    check_installed(NAME)
    file = DicomFile(1, path, path.name)
    header = read_header(file, config.dicom, IdentityKey.random())
    for what in header.assumed:
        assume(what)
    count = header.frames
    for frame in chosen_frames(count, config.dicom.frames):
        pixels = read_frame(file, frame, config.dicom)
        yield frame + 1 if count > 1 else None, replace(raster, window="full")(pixels)


DICOM_FILES = FileKind(new_frames, signature=(128, b"DICM"))


def chosen_frames(count: int, which: str | int) -> list[int]:
    """The frames, from 0, that `data.dicom.frames` means of `count`."""
    if isinstance(which, int):
        return list(range(0, count, which))
    return {"all": list(range(count)), "first": [0], "middle": [count // 2]}[which]


def check_installed(source: str) -> None:
    """Raise ConfigError if `source` cannot be read because pydicom is not installed."""
    try:
        import pydicom  # noqa: F401, TID251
    except ImportError as error:
        raise ConfigError(f"data.source: {source} needs pydicom: pip install 'gan-aug[dicom]'") from error


def _checked_tag(keyword: str) -> str:
    from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: TID251

    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ConfigError(
            f"data.dicom.label_from: {keyword!r} is no DICOM keyword: use one such as BodyPartExamined, or folder, "
            "table or none"
        )
    if dictionary_VR(tag) not in CODED:
        raise ConfigError(
            f"data.dicom.label_from: {keyword} may identify a patient: use a coded tag such as BodyPartExamined, or "
            "give the labels in a table"
        )
    return keyword


def _items(config: DataConfig, file: DicomFile, header: Header, annotation: Annotation) -> list[Item]:
    frames = chosen_frames(header.frames, config.dicom.frames)
    patient = annotation.patient or header.patient
    # Without any id the file is its own patient, so that its frames stay in one split.
    patient = patient or f"\0{file.number}"
    file = replace(file, plan=header.plan)
    return [
        Item(
            file.origin if header.frames == 1 else f"{file.origin} frame {frame + 1}",
            annotation.labels,
            partial(read_frame, file, frame, config.dicom),
            annotation.split,
            patient,
            file.path,
            header.spacing,
        )
        for frame in frames
    ]


def _labels(config: DataConfig, label_from: str, items: list[Item]) -> tuple[tuple[str, ...], Task]:
    column = config.columns.label
    if label_from == "table" and isinstance(column, tuple) and len(column) > 1:
        return column, "multi-label"
    several = label_from == "table" and config.label_separator is not None
    return label_order({label for item in items for label in item.labels}), "multi-label" if several else "multi-class"


def _layout(config: DataConfig, files: list[DicomFile]) -> Layout | None:
    """How the folders above the files are to be read, if labels come from them; what is no DICOM has no say."""
    if labelled_by(config) != "folder":
        return None
    paths = [PurePosixPath(file.name) for file in files]
    likely = [path for path in paths if path.suffix.lower() in ("", *DICOM_ENDINGS) or path.suffix[1:].isdigit()]
    return layout_of([path.parts[:-1] for path in likely or paths], "data.root", numbered=False)


def _remarks(label_from: str, layout: Layout | None, labels: tuple[str, ...]) -> tuple[str, ...]:
    """How folders were read; their names, which could be a patient's, are not repeated."""
    said = []
    if layout and layout.base:
        said.append(f"one folder of data.root holds all others: labels are the folders {len(layout.base)} below it")
    if layout and layout.splits == "below":
        said.append("splits are the folders named after them in each class")
    if label_from == "folder" and len(labels) == 1:
        said.append("all images are in one folder of data.root and get one label")
    return tuple(said)


def _from_folder_or_header(label_from: str, layout: Layout, file: DicomFile, header: Header) -> Annotation:
    """What folder names or the header say."""
    if label_from == "none":
        return Annotation((ONE_CLASS,))
    if label_from != "folder":
        if not header.label_value:
            raise SetAsideError(f"it has no label: its {label_from} is empty")
        return Annotation((header.label_value,))
    place = layout.place(PurePosixPath(file.name).parts[:-1])
    if place is None:
        raise SetAsideError("it has no label: it is not in a class folder")
    return Annotation((place.label,), place.split)


def _table(config: DataConfig) -> Table:
    """The table of labels, `data.table`."""
    if config.table is None:
        raise ConfigError("data.dicom.label_from: table needs data.table: name the CSV file with the labels")
    table = config.table if config.table.is_file() or config.root is None else Path(config.root) / config.table
    if not table.is_file():
        raise DataError(f"there is no table {config.table}: name it in data.table")
    return open_table(config, table)


def _from_table(config: DataConfig, table: Table, identity: IdentityKey) -> Annotator:
    """Look images up in the table by the key that `data.dicom.label_key` names."""
    found: dict[str, dict[str, str] | None] = {}
    for _, row in table.rows:
        key = row[config.columns.file]
        key = key if config.dicom.label_key == "file" else identity(key)
        # Two rows that agree are one; if they differ, nobody knows which is right.
        found[key] = row if found.get(key, row) == row else None
    return partial(_looked_up, config, table, label_reader(config), found, identity)


def _looked_up(
    config: DataConfig,
    table: Table,
    read_labels: Callable[[dict[str, str]], tuple[str, ...]],
    rows: dict[str, dict[str, str] | None],
    identity: IdentityKey,
    file: DicomFile,
    header: Header,
) -> Annotation:
    key = config.dicom.label_key
    names = (file.name, PurePosixPath(file.name).name) if key == "file" else (header.identifiers[key],)
    name = next((name for name in names if name and name in rows), None)
    if name is None:
        raise SetAsideError(f"it has no label: the table has no row for its {key}")
    row = rows[name]
    if row is None:
        raise SetAsideError(f"the table has rows that differ for its {key}")
    split = None
    if table.split:
        split = split_of(row[table.split])
        if split is None:
            raise SetAsideError("its split is not train, validation or test")
    # Hashed as the header's is, since a row without a patient falls back on that.
    who = row[table.patient] if table.patient else ""
    return Annotation(read_labels(row), split, None if is_missing(who) else identity(who))
