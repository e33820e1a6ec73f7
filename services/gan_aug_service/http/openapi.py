"""The OpenAPI document: the routes, the config's schema, problem documents, who may call what, and examples of all."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gan_aug_service.access.cookies import COOKIE, SECURE_COOKIE
from gan_aug_service.http import problems
from gan_aug_service.routes.common import EXAMPLES as CONFIGS
from gan_aug_service.routes.common import FAULTS
from gan_aug_service.routes.examples import EXAMPLES, TEXTS, config_examples
from gan_aug_service.schemas import JOB_EXAMPLE, ProblemOut, config_schema
from gan_aug_service.settings import Settings

OPEN = {("/healthz", "get"), ("/readyz", "get"), ("/v1/session", "post")}
"""What needs no key."""

UNUSED = ("HTTPValidationError", "ValidationError")
REFERENCE = "#/components/schemas/"


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the service, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    settings: Settings = app.state.parts.settings
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    parts = document.setdefault("components", {})
    parts["schemas"] = _schemas(parts.get("schemas", {}))
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key"},
        "browser": {"type": "apiKey", "in": "cookie", "name": SECURE_COOKIE if settings.https else COOKIE},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (path, method) not in OPEN:
                operation["security"] = [{"key": []}, {"browser": []}]
            _add_examples(operation, parts["schemas"])
    app.openapi_schema = document
    return document


def _schemas(found: dict[str, Any]) -> dict[str, Any]:
    """The schemas of all that is sent, each with an example."""
    config, sections = config_schema()
    problem = {ProblemOut.__name__: ProblemOut.model_json_schema()}
    schemas = found | sections | {"Config": config} | problem
    configs = config_examples(CONFIGS["quickstart"]["value"])  # type: ignore[arg-type]
    examples = EXAMPLES | configs | {"JobWithConfig": JOB_EXAMPLE | {"config": configs["Config"]}}
    for name in UNUSED:
        schemas.pop(name, None)
    for name, schema in schemas.items():
        if name in examples:
            schema["example"] = examples[name]  # a model's own has lost its nulls here
    return schemas


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give every body of an operation that has a model, or is text, its example."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        _add_example(content, schemas)
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == problems.MEDIA_TYPE:
                content["example"] = problems.document(HTTPStatus(int(status)), FAULTS[int(status)])
            elif kind in TEXTS:
                content["example"] = TEXTS[kind]
            else:
                _add_example(content, schemas)


def _add_example(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    model = schemas.get(content.get("schema", {}).get("$ref", "").removeprefix(REFERENCE), {})
    if "example" in model and "examples" not in content:
        content["example"] = model["example"]
