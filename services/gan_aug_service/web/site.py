"""All pages together, one router a noun."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from gan_aug_service.http.problems import answer, document
from gan_aug_service.web.kit import static_files as files
from gan_aug_service.web.kit.page_route import problem_page, wants_page
from gan_aug_service.web.pages import (
    audit,
    datasets,
    home,
    jobs,
    keys,
    models,
    new_job,
    removal,
    reports,
    session,
    synthetic,
)

NOWHERE = "there is no such page: go on from home"
PAGES = (
    files,
    session,
    home,
    new_job,
    jobs,
    datasets,
    models,
    synthetic,
    reports,
    removal,
    keys,
    audit,
)


def install(app: FastAPI) -> None:
    """Add the pages to the service; the OpenAPI document does not name them."""
    for noun in PAGES:
        app.include_router(noun.router)
    app.router.default = _nothing


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path that is nobody's: with a page where a browser asks for one."""
    if scope["type"] != "http" or scope["path"].startswith("/v1/") or not wants_page(Request(scope)):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await problem_page(Request(scope), answer(document(HTTPStatus.NOT_FOUND, NOWHERE)))(scope, receive, send)
