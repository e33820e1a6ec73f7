"""A table that names image files with their labels, patients and splits."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from gan_aug.config.data import DataConfig
from gan_aug.data.items import SPLIT_WORDS, Item, Rejected, Source
from gan_aug.data.labels import label_order
from gan_aug.data.locate import data_folder
from gan_aug.data.manifest import Task
from gan_aug.data.reading.decode import decode
from gan_aug.errors import ConfigError, DataError

Row = dict[str, str]
TRUE, FALSE = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}
NO_LABEL = {"", "no finding"}
"""Cells, in lower case, that say that none of several labels holds."""


class SetAsideError(Exception):
    """A row or file that cannot be used; its message is the reason."""


def open_csv(config: DataConfig) -> Source:
    """The images a table lists, `index.csv` in `data.root` unless `data.table` names another.

    Labels are in one column, in several columns of 0 and 1, or several in one cell (`data.label_separator`). Raises
    ConfigError if neither `data.root` nor `data.table` is given, and DataError for a table or column that is not there
    or a path that leaves the folder.
    """
    table, root = _table_and_root(config)
    columns, rows = read_table(table)
    check_columns(config, table, columns)
    read_labels = label_reader(config)
    items: list[Item] = []
    rejected: list[Rejected] = []
    for number, row in rows:
        origin = _origin(row[config.columns.file], table, number)
        try:
            items.append(_item(config, row, origin, read_labels(row), [root, table.parent]))
        except SetAsideError as error:
            rejected.append(Rejected(origin or f"line {number}", str(error)))
    found = {label for item in items for label in item.labels}
    several = isinstance(config.columns.label, tuple) and len(config.columns.label) > 1
    labels = tuple(config.columns.label) if several else label_order(found)
    if items and not labels:
        raise DataError(f"{table} says of every image that no label holds: check data.columns.label")
    task: Task = "multi-label" if several or config.label_separator is not None else "multi-class"
    return Source(root.resolve().name, task, labels, tuple(items), rejected=tuple(rejected))


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


def read_table(table: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """The table's column names, and its rows with their line numbers.

    Commas, semicolons or tabs separate its cells. Raises DataError if it cannot be read or has no rows.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=head.count)
            reader = csv.DictReader(file, delimiter=delimiter, restval="")
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = [(reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}): save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{table} has no rows: check data.table")
    return columns, rows


def check_columns(config: DataConfig, table: Path, columns: list[str]) -> None:
    """Raise DataError if the config names a column that a table does not have, or has more than once.

    Args:
        config: The section `data`.
        table: The table's path, for the message.
        columns: The table's column names.

    Raises:
        DataError: A column is missing or repeated.
    """
    label = config.columns.label
    labels = {f"label.{k}": name for k, name in enumerate(label)} if isinstance(label, tuple) else {"label": label}
    asked = {
        "file": config.columns.file,
        **labels,
        "patient": config.columns.patient,
        "split": config.columns.split,
    }
    for key, name in asked.items():
        if name is None or name in columns:
            continue
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"data.columns.{key}: {table} has no column {name!r}, it has {', '.join(map(repr, columns))}{hint}"
        )
    repeated = [name for name in asked.values() if name is not None and columns.count(name) > 1]
    if repeated:
        raise DataError(f"{table} has more than one column {repeated[0]!r}: give each its own name")


def _origin(text: str, table: Path, number: int) -> str:
    """The path in the table as written, with forward slashes; raises DataError if it leaves the folder."""
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or path.as_posix()[1:3] == ":/":
        raise DataError(
            f"{table} line {number} names {text!r}, outside the data folder: use paths below data.root, without '..'"
        )
    return path.as_posix() if text else ""


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
    return partial(_from_value, name)


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
    parts = (part.strip() for part in row[column].split(separator))
    return tuple(dict.fromkeys(part for part in parts if part.lower() not in NO_LABEL))


def _from_value(column: str, row: Row) -> tuple[str, ...]:
    if not row[column]:
        raise SetAsideError("it has no label")
    return (row[column],)


def _item(config: DataConfig, row: Row, origin: str, labels: tuple[str, ...], folders: list[Path]) -> Item:
    if not origin:
        raise SetAsideError("its row names no file")
    split = None
    if config.columns.split:
        split = SPLIT_WORDS.get(row[config.columns.split].lower())
        if split is None:
            raise SetAsideError("its split is not train, validation or test")
    patient = row[config.columns.patient] if config.columns.patient else None
    if patient == "":
        raise SetAsideError("its row names no patient")
    path = next((folder / origin for folder in folders if (folder / origin).is_file()), None)
    if path is None:
        raise SetAsideError("there is no such file below data.root or beside the table")
    return Item(origin, labels, partial(decode, path), split, patient, path)
