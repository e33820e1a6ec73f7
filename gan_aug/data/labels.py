"""Names of labels: their order, how they are spelled, and the names of files and folders made from them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from gan_aug.errors import DataError

MISSING = {"", "nan", "na", "n/a", "n.a.", "<na>", "#n/a", "null", "nil", "?"}
"""What stands in a cell, in lower case, if nothing is known."""

HEALTHY = {
    "normal", "healthy", "well", "negative", "neg", "benign", "control", "controls", "no", "none", "no finding",
    "no findings", "no disease", "absent", "false", "0",
}  # fmt: skip
"""Labels that hardly name a disease."""

SAME = (
    {"0", "neg", "negative", "no", "false", "absent", "-"},
    {"1", "pos", "positive", "yes", "true", "present", "+"},
)
"""Words for the same: two of them in one column are hardly two classes."""


def label_order(names: set[str]) -> tuple[str, ...]:
    """Label names in natural order: numbers in them are sorted by value, '2' before '10'."""
    return tuple(sorted(names, key=natural_key))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key that compares the digits in a name as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]


def positive_by_default(labels: Sequence[str], positive: str) -> str:
    """What it means that no label was named as the disease, so that the second of two counts as it."""
    other = next(label for label in labels if label != positive)
    sounds = ", although it sounds healthy" if spelling_key(positive) in HEALTHY else ""
    order = "in alphabetical order" if tuple(labels) == label_order(set(labels)) else "in the data set's order"
    return (
        f"“{positive}” counts as the disease{sounds}, as the second of the two labels {order}, because data.positive "
        f"names none: sensitivity is the share of “{positive}” that is found, and specificity that of “{other}”. "
        f"If “{other}” is the disease, set data.positive to it."
    )


def folder_names(labels: tuple[str, ...]) -> list[str]:
    """A safe, distinct file or folder name for each label: only letters, digits, '-', '_' and '.'."""
    safe = [re.sub(r"[^\w.-]+", "_", label).strip(".") or "label" for label in labels]
    return safe if len(set(safe)) == len(safe) else [f"{k}-{name}" for k, name in enumerate(safe)]


def is_missing(cell: str) -> bool:
    """Whether a cell of a table says that nothing is known."""
    return cell.strip().lower() in MISSING


def spelling_key(label: str) -> str:
    """A text that is equal for labels that differ in spelling alone: capitals, spaces, `_` or `-`, or `0` and `0.0`."""
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", label) if unicodedata.category(sign) != "Cf")
    text = visible.casefold().strip()
    if number := re.fullmatch(r"([+-]?)0*(\d+)(?:[.,]0*)?", text):
        return number[1] + number[2]
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", text)


def one_spelling(counts: Mapping[str, int], named: Collection[str] = ()) -> dict[str, str]:
    """The one spelling of labels that differ in spelling alone: the most common one, of equals the first.

    Args:
        counts: How often each label occurs.
        named: Labels that the config names. They stay as they are, and others that are spelled alike become them.

    Returns:
        The new label of each label that gets another.
    """
    chosen: dict[str, str] = {}
    for label in sorted(counts, key=lambda name: (name not in named, -counts[name])):
        chosen.setdefault(spelling_key(label), label)
    new = {label: chosen[spelling_key(label)] for label in counts if label not in named}
    return {label: name for label, name in new.items() if label != name}


def check_synonyms(labels: Collection[str], named: Collection[str], where: str) -> None:
    """Check that no two labels are words for the same.

    Args:
        labels: The labels.
        named: Labels that the config names, and which may be anything.
        where: Where they were found, for the message.

    Raises:
        DataError: Two labels are, such as `0` and `neg`; the message says how to join them or to keep them apart.
    """
    for words in SAME:
        found = sorted((label for label in labels if label not in named and spelling_key(label) in words), key=len)
        if len(found) > 1:
            one, other = found[0], found[-1]
            raise DataError(
                f"the labels {one!r} and {other!r} of {where} are words for the same: join them with "
                f"data.names: {{{one!r}: {other!r}}}, or keep them apart with data.names: {{{one!r}: {one!r}, "
                f"{other!r}: {other!r}}}"
            )
