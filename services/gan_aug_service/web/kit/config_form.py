"""The config as a form: a field for each key, with the kind, default and description that the config gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gan_aug.config import Config
from gan_aug.config.section import Section

COMMON = (
    "data.source", "data.root", "data.size", "data.positive", "train.images", "classifier.name", "classifier.steps",
    "compare.arms", "compare.seeds", "seed",
)  # fmt: skip
"""The keys that most jobs set, in the order in which people think of them."""

HIDDEN = {"compute.storage", "compute.address"}
"""Keys that no request may set."""

NONE = "none"
"""The choice of nothing, for keys whose default is something else."""

SCALARS = {"string", "integer", "number"}
INTEGER = re.compile(r"[+-]?\d{1,18}")
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


@dataclass(frozen=True)
class Field:
    """One key of the config as a form shows it.

    `kind` is `choice` (one of `options`), `choices` (any of them) or `text`. `types` are the JSON types that the key
    takes, `item_types` those within its lists and tables. `default` is used if the field is empty.
    """

    path: str
    kind: str
    description: str
    default: str
    options: tuple[str, ...]
    types: frozenset[str]
    item_types: frozenset[str]
    required: bool

    @property
    def id(self) -> str:
        """The field's id in the page."""
        return self.path.replace(".", "-")

    def value(self, texts: list[str]) -> Any:
        """The value that the field's texts stand for; a text that fits no type stays text, for the config to refuse."""
        if self.kind == "choices":
            return [] if texts == [NONE] else texts
        text = texts[0]
        if self.types == {"boolean"}:
            return text == "yes"
        if "object" in self.types and ":" in text:
            pairs = (part.partition(":") for part in text.split(","))
            return {name.strip(): _plain(value.strip(), self.item_types) for name, _, value in pairs}
        if "array" in self.types and ("," in text or not self.types & SCALARS):
            return [_plain(part.strip(), self.item_types) for part in text.strip("[]").split(",") if part.strip()]
        return _plain(text, self.types)

    def texts(self, value: Any) -> list[str]:
        """The texts that a form shows for a value; read by `value`, they give the same value."""
        if self.kind == "choices":
            return [str(item) for item in value] or [NONE] * (NONE in self.options)
        return [shown(value)]


@dataclass(frozen=True)
class Group:
    """The fields of one section of the config."""

    name: str
    description: str
    fields: tuple[Field, ...]


def shown(value: Any) -> str:
    """A value as a field shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


@cache
def groups() -> tuple[Group, ...]:
    """All fields by section; the group `common` comes first, and its fields are in no other group."""
    every = [group for group in _sections(Config, "") if group.fields]
    fields = {field.path: field for group in every for field in group.fields}
    common = Group("common", "", tuple(fields[path] for path in COMMON))
    rest = (replace(group, fields=tuple(f for f in group.fields if f.path not in COMMON)) for group in every)
    return (common, *(group for group in rest if group.fields))


@cache
def fields() -> dict[str, Field]:
    """All fields by their dotted path."""
    return {field.path: field for group in groups() for field in group.fields}


def parse_fields(sent: dict[str, list[str]]) -> dict[str, Any]:
    """The config that a form's fields stand for; empty fields are left out."""
    values: dict[str, Any] = {}
    for path, field in fields().items():
        texts = [text.strip() for text in sent.get(path, []) if text.strip()]
        if not texts:
            continue
        *above, name = path.split(".")
        section = values
        for part in above:
            section = section.setdefault(part, {})
        section[name] = field.value(texts)
    return values


def form_texts(values: dict[str, Any]) -> dict[str, list[str]]:
    """The form's fields for a config; those with the default value are left empty, except for choices."""
    texts = {path: field.texts(default) for path, field, default in _choices()}
    for path, field in fields().items():
        found: Any = values
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is not None and (field.kind == "choices" or shown(found) != field.default):
            texts[path] = field.texts(found)
    return texts


def _choices() -> Iterator[tuple[str, Field, list[str]]]:
    for path, field in fields().items():
        if field.kind == "choices" and field.default:
            yield path, field, field.default.split(", ")


def _sections(section: type[Section], above: str) -> Iterator[Group]:
    """The groups of a section and of those within it."""
    schema, own, below = section.model_json_schema(), [], []
    for name, info in section.model_fields.items():
        path = f"{above}{name}"
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            below.append((info.annotation, f"{path}."))
        elif path not in HIDDEN:
            own.append(_field(path, info, schema["properties"][name]))
    yield Group(above.rstrip(".") or "all", (section.__doc__ or "").split("\n")[0], tuple(own))
    for item_types, path in below:
        yield from _sections(item_types, path)


def _field(path: str, info: FieldInfo, schema: dict[str, Any]) -> Field:
    branches = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    types = frozenset(part.get("type", "string") for part in branches)
    items = next((part["items"].get("enum") for part in branches if "enum" in part.get("items", {})), None)
    only = branches[0] if len(branches) == 1 else {}
    options, kind = only.get("enum"), "choice"
    if types == {"boolean"}:
        options = ["yes", "no"]
    elif types == {"array"} and items:
        options, kind = [*items, NONE] if len(branches) < len(schema.get("anyOf", [])) else items, "choices"
    required = info.default is PydanticUndefined and info.default_factory is None
    default = "" if required else shown(info.get_default(call_default_factory=True))
    return Field(
        path=path,
        kind=kind if options else "text",
        description=info.description or "",
        default=default,
        options=tuple(str(option) for option in options or ()),
        types=types,
        item_types=_inner_types(branches),
        required=required,
    )


def _inner_types(branches: list[dict[str, Any]]) -> frozenset[str]:
    """The JSON types of the items in the lists and tables that a key takes."""
    inner = [part[key] for part in branches for key in ("items", "additionalProperties") if part.get(key)]
    inner += [item for part in branches for item in part.get("prefixItems", [])]
    kinds = [branch for part in inner if isinstance(part, dict) for branch in part.get("anyOf", [part])]
    return frozenset(kind.get("type", "string") for kind in kinds)


def _plain(text: str, types: frozenset[str]) -> Any:
    """A number if the key takes one and the text is one; otherwise the text."""
    if types & {"integer", "number"} and INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and DECIMAL.fullmatch(text):
        return float(text)
    return text
