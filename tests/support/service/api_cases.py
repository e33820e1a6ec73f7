"""Requests drawn from the OpenAPI document, valid and not, sent to a service in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.service.service_samples import Service

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/zip")
def sent_as_zip(context: Any, value: Any) -> bytes:
    """Whatever was drawn, as the body of an upload."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def send_cases(
    service: Service,
    run: str,
    mode: GenerationMode,
    cases: int,
    number: int = 0,
    said: Callable[[str, Counter[int]], None] = lambda operation, statuses: None,
) -> Counter[int]:
    """Send up to `cases` requests to every operation, with an administrator's key; gives how many had each status.

    Half of those that name a record name `run`. Raises AssertionError for a 5xx, or an answer that the document does
    not describe.
    """
    # The application's lifespan begins with the first request here, and no job is to be worked at.
    service.components.supervisor.start = service.components.supervisor.close = lambda: None  # type: ignore[method-assign]
    # A check would look at data in a process of its own; here each takes too long.
    service.components.checker._answer = lambda verb, run, request: None  # type: ignore[method-assign]
    service.components.predictor._ask = lambda run, file, arm: []  # type: ignore[method-assign]
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.app)
    headers = {"Authorization": f"Bearer {service.keys['admin']}"}
    sent: Counter[int] = Counter()

    for found in schema.get_all_operations():
        operation = found.ok()

        @seed(number)
        @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            if "id" in case.path_parameters and sent.total() % 2:
                case.path_parameters["id"] = run
            if case.operation.path.endswith("/events"):
                case.query = {**(case.query or {}), "wait": "false"}
            answer = case.call(headers=headers)
            sent[answer.status_code] += 1
            if case.operation.path != "/readyz":  # nobody keeps the queue here
                case.validate_response(answer, checks=CHECKS)
            assert answer.status_code < 500 or case.operation.path == "/readyz"

        try:
            send()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.path  # it takes nothing that could be wrong
        said(f"{operation.method.upper()} {operation.path}", sent)
    return sent
