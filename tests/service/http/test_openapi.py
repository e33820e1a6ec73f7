"""The OpenAPI document: complete, and true of what the routes do whatever they are sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from schemathesis import GenerationMode

from gan_aug.config import Config
from gan_aug_service.access.cookies import COOKIE
from gan_aug_service.openapi.examples import CONFIG_EXAMPLES
from tests.support.places import CONFIGS
from tests.support.service.api_cases import send_cases
from tests.support.service.service_samples import Service

CASES = int(os.environ.get("GAN_AUG_API_CASES", "3"))
"""Requests of each kind for each operation; benchmarks/api_fuzz.py sends thousands."""


@pytest.fixture
def database() -> None:
    """SQLite: what is tried here is the same over every database."""


def test_it_names_every_route_its_faults_and_who_may_call_it(service: Service) -> None:
    document = service.call("GET", "/openapi.json", None).json()
    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) == 76
    for (method, path), operation in operations.items():
        assert operation["description"], path
        responses = operation["responses"]
        if path.startswith("/v1/"):
            assert {"401", "403", "422", "429", "503"} <= set(responses), (method, path)
            assert "application/problem+json" in responses["422"]["content"]
        if "{id}" in path:
            assert "404" in responses, path
        open_to_all = (path, method) in {
            ("/healthz", "get"), ("/readyz", "get"), ("/v1/session", "post"), ("/v1/invitations/follow", "post"),
        }  # fmt: skip
        assert ("security" in operation) != open_to_all
    assert document["components"]["securitySchemes"]["browser"]["name"] == COOKIE
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    for reference in references:
        place: Any = document["components"]["schemas"]
        for name in reference.split("/"):
            place = place[name]


def test_its_examples_are_valid() -> None:
    schema = Config.model_json_schema()
    for example in CONFIG_EXAMPLES.values():
        jsonschema.validate(example["value"], schema)
    for file in sorted(CONFIGS.glob("*.yaml")):
        import yaml

        jsonschema.validate(yaml.safe_load(file.read_text()), schema)


def test_every_model_and_every_body_has_an_example_that_is_valid(service: Service) -> None:
    document = service.call("GET", "/openapi.json", None).json()
    components = {"components": document["components"]}

    def check(example: Any, schema: dict[str, Any], where: Any) -> None:
        checker = jsonschema.FormatChecker(["date-time"])
        faults = jsonschema.Draft202012Validator(components | schema, format_checker=checker).iter_errors(example)
        assert not [fault.message for fault in faults], where

    for name, schema in document["components"]["schemas"].items():
        assert "example" in schema, name
        check(schema["example"], {"$ref": f"#/components/schemas/{name}"}, name)
    bodies = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [response.get("content", {}) for response in operation["responses"].values()]
            for kind, content in (pair for found in contents for pair in found.items()):
                examples = [entry["value"] for entry in content.get("examples", {}).values()]
                examples += [content["example"]] if "example" in content else []
                if "json" in kind and "schema" in content:
                    assert examples, (method, path, kind)
                    bodies += 1
                for example in examples:
                    check(example, content.get("schema", {}), (method, path, kind))
    assert bodies > 200


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_whatever_is_sent_the_answer_is_a_documented_one(
    service: Service, whole_run: Path, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_aug_service.routes.reports.print_report", lambda page, folder: b"%PDF-1.4")
    sent = send_cases(service, service.place(whole_run, "default", "admin"), mode, CASES)
    assert sent.total() > 10 * CASES
    assert len(sent) > 2
