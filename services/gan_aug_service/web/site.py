"""All pages together, one router for each module."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from gan_aug_service.http.problems import document, problem_response
from gan_aug_service.web.kit import static_files
from gan_aug_service.web.kit.page_route import local_path, problem_page, redirect, wants_html
from gan_aug_service.web.pages import datasets, home, jobs, models, new_job, predictions, reports, synthetic
from gan_aug_service.web.pages.data import look, overview
from gan_aug_service.web.pages.governing import queue, rules
from gan_aug_service.web.pages.people import audit, invitations, keys, provider, session
from gan_aug_service.web.pages.projects import notices, projects
from gan_aug_service.web.pages.release import pairs, releases
from gan_aug_service.web.pages.runs import about, adopt, remove, side_by_side

NO_SUCH_PAGE = "there is no such page: go on from the home page"
PAGES = (
    static_files,
    session,
    provider,
    home,
    new_job,
    jobs,
    queue,
    rules,
    overview,
    look,
    datasets,
    models,
    pairs,
    synthetic,
    releases,
    side_by_side,  # its path would be a report's
    reports,
    predictions,
    adopt,
    remove,
    about,
    projects,
    notices,
    keys,
    invitations,
    audit,
)


def install(app: FastAPI) -> None:
    """Add the pages to the service; they are not in the OpenAPI document."""
    for module in PAGES:
        app.include_router(module.router)
    app.router.default = _not_found


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path that no route has: without its last slash, or with a page if a browser asks for one."""
    path = scope["path"]
    if scope["type"] == "http" and path != "/" and path.endswith("/") and scope["method"] == "GET":
        await redirect(local_path(path.rstrip("/")))(scope, receive, send)
        return
    if scope["type"] != "http" or scope["path"].startswith("/v1/") or not wants_html(Request(scope)):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    await problem_page(Request(scope), problem_response(document(HTTPStatus.NOT_FOUND, NO_SUCH_PAGE)))(
        scope, receive, send
    )
