"""The typed report has what the schema has, no more and no less, and reads what `build_report` writes."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gan_aug.errors import DataError
from gan_aug.evaluation.outcome.report import Report
from tests.support.evaluation_samples import make_cells, make_fidelity, make_manifest, make_report, make_synthetic
from tests.support.places import GOLDEN, ROOT

SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text())
NOT_TYPED = {"schema", "privacy"}
"""The version is checked by reading, and the audit of privacy is yet to come."""


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object at a place of the schema, through references, lists, alternatives and dictionaries."""
    if "$ref" in schema:
        yield from objects(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    for inner in [*schema.get("anyOf", ()), *filter(None, [schema.get("items")])]:
        yield from objects(inner)
    if schema.get("properties"):
        yield schema
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from objects(schema["additionalProperties"])


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within an annotation such as `dict[str, ReportedArm] | None`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in typing.get_args(annotation):
        yield from models(inner)


def pairs(model: type[BaseModel], schema: dict[str, Any], path: str = "report") -> Iterator[tuple[str, Any, Any]]:
    """Each model with the object of the schema that it is of."""
    yield path, model, schema
    for name, field in model.model_fields.items():
        if field.annotation == dict[str, Any]:
            continue  # config, environment and timing: plain values
        for inner, described in zip(models(field.annotation), objects(schema["properties"][name]), strict=True):
            yield from pairs(inner, described, f"{path}.{name}")


def test_the_types_are_those_of_the_schema() -> None:
    found = list(pairs(Report, {**SCHEMA, "properties": without(SCHEMA["properties"], NOT_TYPED)}))
    assert len(found) > 30
    for path, model, schema in found:
        assert set(model.model_fields) == set(schema["properties"]), path
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert required == set(schema["required"]) - NOT_TYPED, path
        for name, field in model.model_fields.items():
            assert (type(None) in typing.get_args(field.annotation)) == may_be_null(schema["properties"][name]), path


def without(values: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def may_be_null(schema: dict[str, Any]) -> bool:
    if "$ref" in schema:
        return may_be_null(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    kinds = schema.get("type", [])
    return (
        kinds == "null"
        or "null" in kinds
        or None in schema.get("enum", ())
        or any(map(may_be_null, schema.get("anyOf", ())))
    )


def samples() -> Iterator[dict[str, Any]]:
    yield json.loads((GOLDEN / "run_0_1/report.json").read_text())
    for path in sorted((ROOT / "docs/examples").glob("*/report.json")):
        yield json.loads(path.read_text())
    for task in ("multi-class", "multi-label"):
        manifest = make_manifest(task=task)
        report = make_report(manifest, make_cells(manifest), make_synthetic(manifest), make_fidelity(manifest))
        yield json.loads(json.dumps(report))


def test_reports_are_read_whole(tmp_path: Path) -> None:
    for number, raw in enumerate(samples()):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(raw))
        report = Report.load(path)
        assert report.raw == raw
        assert json.loads(report.model_dump_json(exclude_unset=True)) == without(raw, NOT_TYPED)
    assert number >= 2


def test_it_cannot_be_altered(tmp_path: Path) -> None:
    report = Report.load(GOLDEN / "run_0_1/report.json")
    with pytest.raises(ValueError, match="frozen"):
        report.arms["real"].auc.value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1, "arms": {}}'])
def test_what_is_no_report_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    with pytest.raises(DataError, match="there is no report at"):
        Report.load(path)
    path.write_text(content)
    with pytest.raises(DataError, match="is no report of this version"):
        Report.load(path)
