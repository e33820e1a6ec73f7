"""A table as it is on the disk: its encoding and separators, and which of its columns mean what."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.items import split_of
from gan_aug.data.labels import is_missing
from gan_aug.errors import DataError

Row = dict[str, str]

PATIENT = re.compile(
    r"(?:anon|deid|pseudo)?(?:patients?|pat|pt|subjects?|subj|persons?|participants?|individuals?|donors?)"
    r"(?:id|ids|key|no|nr|num|number|code|name|uid|hash|anon)?|mrn|pid|empi(?:anon)?"
)
"""What columns with the patient are called, without capitals, spaces and signs."""

SPLIT = re.compile(r"(?:data)?(?:split|subset|set|partition|phase)(?:name|type)?|datasettype|usage")
"""What columns with the split are called, in the same way."""

SCIENTIFIC = re.compile(r"\d[.,]?\d*E\+\d+", re.IGNORECASE)
"""A long number as a spreadsheet shows it: its last digits are gone."""

SHEETS = {b"PK\x03\x04": "xlsx", b"\xd0\xcf\x11\xe0": "xls"}


@dataclass(frozen=True)
class Table:
    """A table whose columns are understood.

    Attributes:
        path: The file.
        rows: The rows, with their line numbers.
        patient: The column with the patient, or None.
        split: The column with the split, or None.
        notes: How it was understood, as sentences for every report.
        remarks: What else is to be said, such as columns that are not used.
    """

    path: Path
    rows: list[tuple[int, Row]]
    patient: str | None
    split: str | None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def open_table(config: DataConfig, path: Path) -> Table:
    """The table at `path` with the columns that the config names, or that are plain without being named.

    Args:
        config: The section `data`.
        path: The table.

    Returns:
        The table.

    Raises:
        DataError: It cannot be read, lacks a column, or holds identifiers that a spreadsheet has altered.
    """
    columns, rows, said = read_table(path)
    columns, rows, renamed = _as_asked(config, path, columns, rows)
    said += renamed
    check_columns(config, path, columns)
    label = config.columns.label
    used = {config.columns.file, *(label if isinstance(label, tuple) else (label,))}
    left = [name for name in dict.fromkeys(columns) if name and name not in used]
    remarks, notes = list(said), []
    patient = config.columns.patient or None
    if config.columns.patient is None:
        patient, heard = _heard_patient(path, [name for name in left if name != config.columns.split], rows)
        remarks += heard
    split = config.columns.split or None
    if config.columns.split is None:
        split, heard, ignored = _heard_split(path, [name for name in left if name != patient], rows)
        remarks += heard
        notes += ignored
    for column in (config.columns.file, patient):
        if column:
            _check_identifiers(path, column, rows)
    if patient:
        remarks += _two_spellings(path, patient, rows)
    if unused := [name for name in left if name not in (patient, split)]:
        remarks.append(f"columns of {path.name} that are not used: {', '.join(unused)}")
    return Table(path, rows, patient, split, tuple(notes), tuple(remarks))


def read_table(table: Path) -> tuple[list[str], list[tuple[int, Row]], list[str]]:
    """The table's column names, its rows with their line numbers, and remarks on how it was read.

    Commas, semicolons, tabs or bars separate its cells, or what a first line `sep=;` names. It is UTF-8, UTF-16, or
    else Windows-1252. Raises DataError if it cannot be read or has no rows.
    """
    try:
        raw = table.read_bytes()
        text, remarks = _decoded(table, raw)
        body = text.lstrip("\r\n\ufeff")
        skipped = text[: len(text) - len(body)].count("\n")
        head, _, rest = body.partition("\n")
        told = re.fullmatch(r'"?sep=(.)"?,*;*\s*', head)
        if told:
            body, skipped, head = rest, skipped + 1, rest.partition("\n")[0]
        delimiter = told[1] if told else max(",;\t|", key=head.count)
        reader = csv.DictReader(io.StringIO(body, newline=""), delimiter=delimiter, restval="", restkey="")
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        rows, longer = [], []
        for row in reader:
            number = reader.line_num + skipped
            if any(cell.strip() for cell in row.get("") or () if isinstance(row.get(""), list)):
                longer.append(number)
            rows.append((number, {k: (v or "").strip() for k, v in row.items() if k and not isinstance(v, list)}))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}): save it as CSV in UTF-8") from error
    if not rows:
        raise DataError(f"{table} has no rows: check data.table")
    if longer:
        remarks.append(
            f"{len(longer)} rows of {table.name} have more cells than there are columns, which are not used; the "
            f"first is line {longer[0]}"
        )
    return columns, rows, remarks


def _decoded(table: Path, raw: bytes) -> tuple[str, list[str]]:
    """The text of a table, and a remark if its encoding was guessed."""
    if kind := SHEETS.get(raw[:4]):
        raise DataError(f"{table} is a spreadsheet ({kind}), not a text: save it as CSV in UTF-8")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16"), []
    start = raw[:400]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and not any(start[first::2]):
            return raw.decode(encoding), []
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        remark = f"{table.name} is not in UTF-8 and was read as Windows-1252: look whether its names are right"
        try:
            return raw.decode("cp1252"), [remark]
        except UnicodeDecodeError:
            return raw.decode("latin-1"), [remark.replace("Windows-1252", "Latin-1")]


def _asked(config: DataConfig) -> dict[str, str]:
    """The columns that the config names, by their key in `data.columns`."""
    label = config.columns.label
    labels = {f"label.{k}": name for k, name in enumerate(label)} if isinstance(label, tuple) else {"label": label}
    asked = {
        "file": config.columns.file,
        **labels,
        "patient": config.columns.patient or None,
        "split": config.columns.split or None,
    }
    return {key: name for key, name in asked.items() if name is not None}


def _as_asked(
    config: DataConfig, table: Path, columns: list[str], rows: list[tuple[int, Row]]
) -> tuple[list[str], list[tuple[int, Row]], list[str]]:
    """A table whose columns have the capitals that the config gives them, and what to say of each that had others.

    A column is renamed only if the table has none of the very name, and one alone that differs from it in capitals.
    """
    asked = _asked(config)
    free = [column for column in columns if column not in asked.values()]
    new: dict[str, str] = {}
    for name in dict.fromkeys(asked.values()):
        alike = [column for column in free if column.casefold() == name.casefold()]
        if name not in columns and len(alike) == 1 and alike[0] not in new:
            new[alike[0]] = name
    if not new:
        return columns, rows, []
    renamed = [(number, {new.get(name, name): cell for name, cell in row.items()}) for number, row in rows]
    said = [f"column {old!r} of {table.name} is used as {name!r}" for old, name in new.items()]
    return [new.get(column, column) for column in columns], renamed, said


def check_columns(config: DataConfig, table: Path, columns: list[str]) -> None:
    """Raise DataError if the config names a column that a table does not have, or has more than once.

    Args:
        config: The section `data`.
        table: The table's path, for the message.
        columns: The table's column names.

    Raises:
        DataError: A column is missing or repeated.
    """
    asked = _asked(config)
    for key, name in asked.items():
        if name in columns:
            continue
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"data.columns.{key}: {table} has no column {name!r}, it has {', '.join(map(repr, columns))}{hint}"
        )
    repeated = [name for name in asked.values() if columns.count(name) > 1]
    if repeated:
        raise DataError(f"{table} has more than one column {repeated[0]!r}: give each its own name")


def _heard_patient(table: Path, columns: list[str], rows: list[tuple[int, Row]]) -> tuple[str | None, list[str]]:
    """The column that is called as columns with the patient are, and what to say of it."""
    found = [name for name in columns if PATIENT.fullmatch(_plain(name))]
    values = {name: [row[name] for _, row in rows] for name in found}
    telling = [name for name in found if len({value for value in values[name] if not is_missing(value)}) > 1]
    said = [
        f"column {name!r} of {table.name} is not used for the patients: it holds the same in every row"
        for name in found
        if name not in telling
    ]
    if not telling:
        return None, said
    _check_agree(table, "patient", telling, [values[name] for name in telling])
    said.append(
        f"column {telling[0]!r} of {table.name} is used for the patients; data.columns.patient: '' would leave it out"
    )
    return telling[0], said


def _heard_split(
    table: Path, columns: list[str], rows: list[tuple[int, Row]]
) -> tuple[str | None, list[str], list[str]]:
    """The column that holds nothing but splits, what to say of it, and what to note of one that is not used."""
    found, ignored = [], []
    for name in columns:
        values = {row[name] for _, row in rows}
        splits = {split_of(value) for value in values}
        if None not in splits and len(splits) > 1:
            found.append(name)
        elif SPLIT.fullmatch(_plain(name)) and len(splits) > 1:
            other = min(value for value in values if not split_of(value))
            ignored.append(
                f"column {name!r} of {table.name} is not used for the splits: it holds {other!r}, which is not train, "
                "validation or test"
            )
    if not found:
        return None, [], ignored
    _check_agree(table, "split", found, [[str(split_of(row[name])) for _, row in rows] for name in found])
    said = f"column {found[0]!r} of {table.name} is used for the splits; data.columns.split: '' would leave it out"
    return found[0], [said], ignored


def _check_agree(table: Path, key: str, names: list[str], values: Sequence[list[str]]) -> None:
    """Raise DataError if two columns that may mean the same do not agree.

    Splits agree if they are equal, and patients if they put the same rows together.
    """
    first = values[0]
    for name, other in zip(names[1:], values[1:], strict=True):
        together = len(set(zip(first, other, strict=True))) == len(set(first)) == len(set(other))
        if not (first == other if key == "split" else together):
            raise DataError(
                f"{table} has two columns that may name the {key} ({names[0]!r}, {name!r}) and do not agree: say which "
                f"in data.columns.{key}"
            )


def _check_identifiers(table: Path, column: str, rows: list[tuple[int, Row]]) -> None:
    """Raise DataError if a spreadsheet has shortened the long numbers of a column."""
    for number, row in rows:
        if SCIENTIFIC.fullmatch(row[column]):
            raise DataError(
                f"column {column!r} of {table} holds {row[column]!r} in line {number}, as spreadsheets shorten long "
                "numbers, so that different ones look the same: export the table again with that column as text"
            )


def _two_spellings(table: Path, column: str, rows: list[tuple[int, Row]]) -> list[str]:
    """A remark on patients that differ in capitals alone; raises DataError for numbers that differ in zeros alone."""
    values = sorted({row[column] for _, row in rows if not is_missing(row[column])})
    numbers: dict[str, str] = {}
    for value in values:
        if match := re.fullmatch(r"0*(\d+)(?:\.0*)?", value):
            other = numbers.setdefault(match[1], value)
            if other != value:
                raise DataError(
                    f"column {column!r} of {table} holds both {other!r} and {value!r}, perhaps one patient whose "
                    "number a spreadsheet has altered: write each number in one way"
                )
    folded = Counter(value.casefold() for value in values)
    alike = [value for value in values if folded[value.casefold()] > 1]
    if not alike:
        return []
    return [
        # Without an example: remarks are logged, and whoever reads a log need not know who the patients are.
        f"{len(alike)} patients of {table.name} differ in capitals alone and count as different"
    ]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
