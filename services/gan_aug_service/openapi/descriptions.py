"""How routes describe themselves in the OpenAPI document: their problems, files and config bodies."""

from __future__ import annotations

from typing import Any

from gan_aug_service.http.bodies import JSON, YAML
from gan_aug_service.http.problems import MEDIA_TYPE
from gan_aug_service.openapi.examples import CONFIG_EXAMPLES
from gan_aug_service.openapi.schemas import ProblemOut

PROBLEM_DESCRIPTIONS = {
    400: "the body cannot be read",
    401: "no valid key",
    403: "the key's role does not allow it, or a cookie came without its CSRF token",
    404: "there is no such record in the key's project",
    405: "the path has other methods",
    409: "it is in use, or holds something else",
    413: "the body is too large",
    415: "the body is of another kind",
    422: "the request is not valid; every fault is listed",
    429: "too many requests: see Retry-After",
    501: "the machine has no program for it",
    503: "a part of the service is away: try again",
    507: "the disk is full",
}
COMMON_PROBLEMS = {401, 403, 422, 429, 503, 507}
"""The problems that every route can answer with."""


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented problems of a route: these statuses, and those that every route has."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}}}
    return {
        status: {"description": PROBLEM_DESCRIPTIONS[status], "content": content}
        for status in sorted({*COMMON_PROBLEMS, *statuses})
    }


def file_responses(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """The documented answer of a route that gives a file of one of these media types."""
    return {200: {"description": "the file", "content": {media_type: {} for media_type in media_types}}}


def config_request_body() -> dict[str, Any]:
    """The documented body of a route that takes a config."""
    schema = {"$ref": "#/components/schemas/Config"}
    content = {JSON: {"schema": schema, "examples": CONFIG_EXAMPLES}, YAML: {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
