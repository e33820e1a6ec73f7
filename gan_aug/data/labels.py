"""Names of labels: their order, and the names of files and folders made from them."""

from __future__ import annotations

import re


def label_order(names: set[str]) -> tuple[str, ...]:
    """Label names in natural order: numbers in them are sorted by value, '2' before '10'."""
    return tuple(sorted(names, key=natural_key))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key that compares the digits in a name as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]


def folder_names(labels: tuple[str, ...]) -> list[str]:
    """A safe, distinct file or folder name for each label: only letters, digits, '-', '_' and '.'."""
    safe = [re.sub(r"[^\w.-]+", "_", label).strip(".") or "label" for label in labels]
    return safe if len(set(safe)) == len(safe) else [f"{k}-{name}" for k, name in enumerate(safe)]
