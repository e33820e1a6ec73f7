"""Two reports beside each other: their tables, and how their requests and what they were tested on differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.errors import DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.products.files import missing_as_not_found

if TYPE_CHECKING:
    from gan_aug.report.blocks import Table

NOTHING = "nothing set"
NAMING_KEYS = {"data.title"}
"""Keys that say what something is called, and nothing of what was done."""


@dataclass(frozen=True)
class Column:
    """One of the two reports: alarms, the verdict in a sentence, and its tables by heading."""

    alarm: list[str]
    sentence: str
    tables: dict[str, Table]


@dataclass(frozen=True)
class SideBySide:
    """Two reports.

    Attributes:
        columns: What each says.
        headings: The tables that at least one of them has.
        differences: The keys of the requests that differ, each with both values.
        cautions: Why figures of the two may not be compared, as sentences.
    """

    columns: tuple[Column, Column]
    headings: tuple[str, ...]
    differences: tuple[tuple[str, str, str], ...]
    cautions: tuple[str, ...]


def side_by_side(first: Path, second: Path) -> SideBySide:
    """The reports of two run folders beside each other; raises DataError if one is of another version."""
    reports = _read(first), _read(second)
    try:
        columns = _column(reports[0]), _column(reports[1])
        cautions = tuple(_cautions(reports[0]["dataset"], reports[1]["dataset"]))
        differences = tuple(request_differences(reports[0]["config"], reports[1]["config"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("one of the reports is of another version: resume its job, and it is written again") from error
    return SideBySide(columns, tuple(dict.fromkeys((*columns[0].tables, *columns[1].tables))), differences, cautions)


def request_differences(first: dict[str, Any], second: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The keys whose values differ in two configs, each with both in words; what only names things is left out."""
    flat = dict(_flat(first)), dict(_flat(second))
    for key in dict.fromkeys((*flat[0], *flat[1])):
        values = [found.get(key) for found in flat]
        words = [_in_words(value) for value in values]
        if words[0] != words[1] and key not in NAMING_KEYS:
            yield key, words[0], words[1]


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _in_words(value: Any) -> str:
    match value:
        case None | [] | {}:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_in_words(item) for item in value)
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _cautions(first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    if first["fingerprint"] == second["fingerprint"]:
        return
    if first["name"] == second["name"]:
        what = f"Both data sets are called {first['name']}, but they are not the same"
    else:
        what = f"The data sets differ: {first['name']} and {second['name']}"
    yield f"{what}. The figures rest on different images, so a difference between them may not come from the methods."


def _column(report: dict[str, Any]) -> Column:
    from gan_aug.report.words.checks import alarm
    from gan_aug.report.words.fidelity import fidelity_table
    from gan_aug.report.words.headline import opening
    from gan_aug.report.words.tables import arms_table, comparisons_table, data_table, more_figures_table
    from gan_aug.report.words.verdict import answer

    makers = {
        "Arms": arms_table,
        "Comparisons": comparisons_table,
        "Further figures": more_figures_table,
        "Fidelity": fidelity_table,
        "The images": data_table,
    }
    tables = {heading: table for heading, make in makers.items() if (table := make(report)) is not None}
    first = opening(report)
    return Column(alarm(report), first.sentence if first else answer(report)[0], tables)


def _read(run: Path) -> dict[str, Any]:
    with missing_as_not_found(run):
        content: dict[str, Any] = read_json(run / layout.REPORT)
    return content
