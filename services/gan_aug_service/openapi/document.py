"""The OpenAPI document: the routes, the config's schema, problem documents, authentication, and examples of all."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gan_aug_service.http import problems
from gan_aug_service.openapi.descriptions import PROBLEM_DESCRIPTIONS
from gan_aug_service.openapi.examples import CONFIG_EXAMPLES, EXAMPLES, TEXTS, config_examples
from gan_aug_service.openapi.schemas import JOB_EXAMPLE, ProblemOut, config_schema

PUBLIC = {("/healthz", "get"), ("/readyz", "get"), ("/v1/session", "post"), ("/v1/invitations/follow", "post")}
"""Operations that need no key."""

UNUSED_SCHEMAS = ("HTTPValidationError", "ValidationError")
REFERENCE = "#/components/schemas/"


def openapi(app: FastAPI, cookie: str, root_path: str = "") -> dict[str, Any]:
    """The OpenAPI document of the service, made once.

    Args:
        app: The service.
        cookie: The name of a browser's cookie.
        root_path: The path under which a proxy shows the service.

    Returns:
        The document.
    """
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    if root_path:
        document["servers"] = [{"url": root_path}]
    components = document.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}))
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key"},
        "browser": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (path, method) not in PUBLIC:
                operation["security"] = [{"key": []}, {"browser": []}]
            _add_examples(operation, components["schemas"])
    app.openapi_schema = document
    return document


def _schemas(found: dict[str, Any]) -> dict[str, Any]:
    """The schemas of all that is sent and answered, each with an example."""
    config, sections = config_schema()
    problem = {ProblemOut.__name__: ProblemOut.model_json_schema()}
    schemas = found | sections | {"Config": config} | problem
    configs = config_examples(CONFIG_EXAMPLES["quickstart"]["value"])  # type: ignore[arg-type]
    examples = EXAMPLES | configs | {"JobWithConfig": JOB_EXAMPLE | {"config": configs["Config"]}}
    for name in UNUSED_SCHEMAS:
        schemas.pop(name, None)
    for name, schema in schemas.items():
        if name in examples:
            schema["example"] = examples[name]  # the one that FastAPI took from the model has lost its nulls
    return schemas


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add an example to every body of an operation that has a model or is text."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        _add_example(content, schemas)
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == problems.MEDIA_TYPE:
                content["example"] = problems.document(HTTPStatus(int(status)), PROBLEM_DESCRIPTIONS[int(status)])
            elif kind in TEXTS:
                content.setdefault("example", TEXTS[kind])
            else:
                _add_example(content, schemas)


def _add_example(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    model = schemas.get(content.get("schema", {}).get("$ref", "").removeprefix(REFERENCE), {})
    if "example" in model and "examples" not in content:
        content["example"] = model["example"]
