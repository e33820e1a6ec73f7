"""The OpenAPI document: complete, and true of what the routes do whatever they are sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_samples import Service

from gan_aug.config import Config
from services.caller import COOKIE
from services.routes.common import EXAMPLES

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CASES = int(os.environ.get("GAN_AUG_API_CASES", "3"))
"""Requests for each operation; 100 of each kind give about 5,000 in all."""


@schemathesis.serializer("application/zip")
def sent_as_zip(context: Any, value: Any) -> bytes:
    """Whatever was drawn, as the body of an upload."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def test_it_names_every_route_its_faults_and_who_may_call_it(service: Service) -> None:
    document = service.call("GET", "/openapi.json", None).json()
    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) == 32
    for (method, path), operation in operations.items():
        assert operation["description"], path
        responses = operation["responses"]
        if path.startswith("/v1/"):
            assert {"401", "403", "422", "429", "503"} <= set(responses), (method, path)
            assert "application/problem+json" in responses["422"]["content"]
        if "{id}" in path:
            assert "404" in responses, path
        open_to_all = (path, method) in {("/healthz", "get"), ("/readyz", "get"), ("/v1/session", "post")}
        assert ("security" in operation) != open_to_all
    assert document["components"]["securitySchemes"]["browser"]["name"] == COOKIE
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    for reference in references:
        place: Any = document["components"]["schemas"]
        for name in reference.split("/"):
            place = place[name]


def test_its_examples_are_valid() -> None:
    schema = Config.model_json_schema()
    for example in EXAMPLES.values():
        jsonschema.validate(example["value"], schema)
    for file in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")):
        import yaml

        jsonschema.validate(yaml.safe_load(file.read_text()), schema)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_whatever_is_sent_the_answer_is_a_documented_one(
    service: Service, whole_run: Path, mode: GenerationMode
) -> None:
    run = service.place(whole_run, "default", "admin")
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.app)
    headers = {"Authorization": f"Bearer {service.keys['admin']}"}
    sent: list[int] = []

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            if "id" in case.path_parameters and len(sent) % 2:
                case.path_parameters["id"] = run
            if case.operation.path.endswith("/events"):
                case.query = {**(case.query or {}), "wait": "false"}
            answer = case.call(headers=headers)
            sent.append(answer.status_code)
            if case.operation.path != "/readyz":  # nobody keeps the queue here
                case.validate_response(answer, checks=CHECKS)
            assert answer.status_code < 500 or case.operation.path == "/readyz"

        try:
            send()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.path  # it takes nothing that could be wrong
    assert len(sent) > 10 * CASES
    assert len(set(sent)) > 2
