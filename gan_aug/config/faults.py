"""Turns pydantic's validation errors into lines that a user can act on."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel, ValidationError

HIDDEN = {"config", "data.dicomweb.token_env", "archive.token_env", "archive.login_env"}
"""Paths whose values are never shown, because they are too long or may be a misplaced secret."""


def faults_of(error: ValidationError, config: type[BaseModel]) -> list[str]:
    """One line for each key: `dotted.path: what is wrong (got value)`; a union's branches are joined in one line."""
    lines: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for fault in error.errors(include_url=False):
        names = [str(part) for part in fault["loc"]]
        path = _known_path(names, config)
        message = fault["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ")
        if fault["type"] == "extra_forbidden":
            message = f"no such key{_nearest(names, config)}"
        elif fault["type"] == "missing":
            message = "is required and was not given"
            path = "data.source" if path == "data" else path
        else:
            values[path] = fault["input"]
        lines.setdefault(path, []).append(message)
    return [
        f"{path}: {' or '.join(dict.fromkeys(messages))}"
        + (f" (got {_shown(values[path])})" if path in values and path not in HIDDEN else "")
        for path, messages in lines.items()
    ]


def _shown(value: Any) -> str:
    """A value for a message; of an address only the scheme is shown, because the rest may hold a password."""
    return re.sub(r"://[^\s'\"]*", "://...", repr(value))


def _known_path(names: list[str], config: type[BaseModel]) -> str:
    """The dotted path without the branch names pydantic adds for unions."""
    model: Any = config
    kept: list[str] = []
    for name in names:
        fields = getattr(model, "model_fields", {})
        if kept and not fields:
            break
        kept.append(name)
        model = fields[name].annotation if name in fields else None
    return ".".join(kept) or "config"


def _nearest(names: list[str], config: type[BaseModel]) -> str:
    """A hint naming the closest key that exists in the same section, or nothing."""
    model: Any = config
    for name in names[:-1]:
        model = model.model_fields[name].annotation
    close = difflib.get_close_matches(names[-1], model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""
