"""A table that names image files with their labels, patients and splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Rejected, Source, split_of
from gan_aug.data.labels import is_missing, label_order
from gan_aug.data.locate import data_folder
from gan_aug.data.manifest import Split, Task
from gan_aug.data.reading.decode import NO_IMAGE, is_image_file, named_images, why_not
from gan_aug.data.sources.file_names import FolderIndex, readable
from gan_aug.data.sources.table import Row, Table, open_table
from gan_aug.errors import ConfigError, DataError

TRUE = {"1", "1.0", "true", "yes", "pos", "positive"}
FALSE = {"0", "0.0", "false", "no", "neg", "negative", ""}
NO_LABEL = {"", "no finding"}
"""Cells, in lower case, that say that none of several labels holds."""


class SetAsideError(Exception):
    """A row or file that cannot be used; its message is the reason."""


@dataclass(frozen=True)
class Entry:
    """One usable row.

    Attributes:
        line: Its line in the table.
        origin: The file as the table names it, below the data folder.
        path: The file on the disk.
        labels: Its labels.
        split: Its split, or None.
        patient: Its patient, or None.
    """

    line: int
    origin: str
    path: Path
    labels: tuple[str, ...]
    split: Split | None
    patient: str | None


def open_csv(config: DataConfig) -> Source:
    """The images a table lists, `index.csv` in `data.root` unless `data.table` names another.

    Labels are in one column, in several columns of 0 and 1, or several in one cell (`data.label_separator`). Raises
    ConfigError if neither `data.root` nor `data.table` is given, and DataError for a table or column that is not there
    or a path that leaves the folder.
    """
    path, root = _table_and_root(config)
    table = open_table(config, path)
    read_labels = label_reader(config)
    folders = [FolderIndex(folder) for folder in dict.fromkeys((root, path.parent))]
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    for line, row in table.rows:
        origin = _origin(row[config.columns.file], table, line, folders)
        try:
            entries.append(_entry(table, line, row, origin, read_labels(row), folders))
        except SetAsideError as error:
            rejected.append(Rejected(origin or f"line {line}", str(error)))
    entries, contradicting = _without_repeats(entries)
    items: list[Item] = []
    for entry in entries:
        try:
            items += [
                Item(origin, entry.labels, read, entry.split, patient, entry.path)
                for origin, patient, read in named_images(entry.path, config.slices, entry.origin, entry.patient)
            ]
        except DataError as error:
            rejected.append(Rejected(entry.origin, str(error)))
    found = {label for item in items for label in item.labels}
    several = isinstance(config.columns.label, tuple) and len(config.columns.label) > 1
    labels = tuple(config.columns.label) if several else label_order(found)
    if items and not labels:
        raise DataError(f"{path} says of every image that no label holds: check data.columns.label")
    task: Task = "multi-label" if several or config.label_separator is not None else "multi-class"
    return Source(
        readable(root.resolve().name),
        task,
        labels,
        tuple(items),
        rejected=(*rejected, *contradicting),
        split_column=table.split,
        notes=table.notes,
        remarks=(*table.remarks, *_renamed(entries, folders), *_perhaps_several(labels, task)),
    )


def _table_and_root(config: DataConfig) -> tuple[Path, Path]:
    """The table, and the folder its paths are relative to."""
    root = None if config.root is None else data_folder(config.root)
    if root is None and config.table is None:
        raise ConfigError("data.root or data.table is needed for the csv source: name the folder or the table in it")
    table = config.table or Path("index.csv")
    if root is not None and (config.table is None or (root / table).is_file()):
        table = root / table  # an absolute table stays as it is
    if not table.is_file():
        raise DataError(f"there is no table {table}: name it in data.table")
    return table, root or table.parent


def _origin(text: str, table: Table, line: int, folders: list[FolderIndex]) -> str:
    """The path in the table below the folder that holds it, with forward slashes; an empty text stays empty.

    Raises DataError if it leaves the folder.
    """
    path = PurePosixPath(text.replace("\\", "/"))
    if not text:
        return ""
    if not path.is_absolute() and ".." not in path.parts and path.as_posix()[1:3] != ":/":
        return path.as_posix()
    if path.as_posix()[1:3] != ":/":
        for base in (place for one in folders for place in (one.folder, one.folder.resolve())):
            whole = Path(os.path.normpath(Path(os.path.abspath(base)) / path))  # noqa: PTH100 - links stay as they are
            if whole.is_relative_to(os.path.abspath(base)):  # noqa: PTH100
                return whole.relative_to(os.path.abspath(base)).as_posix()  # noqa: PTH100
    raise DataError(
        f"{table.path} line {line} names {text!r}, outside the data folder {folders[0].folder}: use paths below "
        "data.root, or name the folder that holds the files as data.root"
    )


def label_reader(config: DataConfig) -> Callable[[Row], tuple[str, ...]]:
    """A function that gives a row's labels, and raises SetAsideError for a row that has none.

    Raises ConfigError if `data.label_separator` is empty.
    """
    column, separator = config.columns.label, config.label_separator
    if isinstance(column, tuple) and len(column) > 1:
        return partial(_from_columns, column)
    name = column if isinstance(column, str) else column[0]
    if separator is not None:
        if not separator:
            raise ConfigError("data.label_separator is empty: give the sign between labels, such as '|'")
        return partial(_from_cell, name, separator)
    return partial(_from_value, name, frozenset(config.names))


def _from_columns(columns: tuple[str, ...], row: Row) -> tuple[str, ...]:
    found = []
    for name in columns:
        value = row[name].lower()
        if value not in TRUE | FALSE:
            raise SetAsideError(f"its label column {name!r} is neither 0 nor 1")
        if value in TRUE:
            found.append(name)
    return tuple(found)


def _from_cell(column: str, separator: str, row: Row) -> tuple[str, ...]:
    parts = [part.strip() for part in row[column].split(separator)]
    if row[column] and all(is_missing(part) for part in parts):
        raise SetAsideError("it has no label")
    return tuple(dict.fromkeys(part for part in parts if part.lower() not in NO_LABEL and not is_missing(part)))


def _from_value(column: str, named: frozenset[str], row: Row) -> tuple[str, ...]:
    if is_missing(row[column]) and row[column] not in named - {""}:
        raise SetAsideError("it has no label")
    return (row[column],)


def _entry(
    table: Table, line: int, row: Row, origin: str, labels: tuple[str, ...], folders: list[FolderIndex]
) -> Entry:
    if not origin:
        raise SetAsideError("its row names no file")
    split = None
    if table.split:
        split = split_of(row[table.split])
        if split is None:
            raise SetAsideError("its split is not train, validation or test")
    patient = row[table.patient] if table.patient else None
    if patient is not None and is_missing(patient):
        raise SetAsideError("its row names no patient")
    path = next((found for folder in folders if (found := folder.exact(origin))), None)
    path = path or next((found for folder in folders if (found := folder.alike(origin))), None)
    if path is None:
        other = next((name for folder in folders if (name := folder.zeros_lost(origin))), None)
        hint = f", but there is {other}: were zeros lost?" if other else ""
        raise SetAsideError(f"there is no such file below data.root or beside the table{hint}")
    if not is_image_file(path) and path.suffix and (reason := why_not(path)) != NO_IMAGE:
        raise SetAsideError(reason)
    return Entry(line, origin, path, labels, split, patient)


def _without_repeats(entries: list[Entry]) -> tuple[list[Entry], list[Rejected]]:
    """The rows without those that repeat or contradict another row about the same file.

    A file in two splits stays in both, since `data.on_leak` says what is done about it.
    """
    of_file: dict[Path, list[Entry]] = {}
    for entry in entries:
        of_file.setdefault(entry.path, []).append(entry)
    if len(of_file) == len(entries):
        return entries, []
    kept: list[Entry] = []
    rejected: list[Rejected] = []
    for rows in of_file.values():
        lines = f"lines {rows[0].line} and {rows[-1].line}"
        if len({row.labels for row in rows}) > 1:
            said = " and ".join(repr(", ".join(one) or "none") for one in sorted({row.labels for row in rows})[:3])
            reason = f"{lines} of the table give it different labels ({said})"
            rejected += [Rejected(row.origin, reason) for row in rows]
        elif len({row.patient for row in rows}) > 1:
            rejected += [Rejected(row.origin, f"{lines} of the table give it different patients") for row in rows]
        else:
            first = {row.split: row for row in reversed(rows)}
            kept += sorted(first.values(), key=lambda row: row.line)
            again = [row for row in rows if first[row.split] is not row]
            rejected += [
                Rejected(row.origin, f"line {rows[0].line} of the table says the same", False) for row in again
            ]
    return sorted(kept, key=lambda row: row.line), rejected


def _renamed(entries: list[Entry], folders: list[FolderIndex]) -> Iterator[str]:
    """That files were found whose names on the disk are spelled otherwise."""
    other = [entry for entry in entries if all(entry.path != one.folder / entry.origin for one in folders)]
    if other:
        yield (
            f"{len(other)} files are spelled otherwise on the disk than in the table, the first {other[0].origin!r} as "
            f"{readable('/'.join(other[0].path.parts[-2:]))!r}"
        )


def _perhaps_several(labels: tuple[str, ...], task: Task) -> Iterator[str]:
    """That cells with a sign between labels may hold several."""
    for sign in "|;,+/" if task == "multi-class" else "":
        joined = [
            label for label in labels if sign in label and all(part.strip() in labels for part in label.split(sign))
        ]
        if joined:
            yield (
                f"{len(joined)} labels such as {joined[0]!r} are classes of their own, though their parts are labels "
                f"too: data.label_separator: {sign!r} makes them several labels of one image"
            )
