"""The FastAPI application: routes, pages, problems and middleware over the service's components."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI

import gan_aug
from gan_aug.run.files import storage_errors
from gan_aug_service.access.cookies import name_of_cookie
from gan_aug_service.components import Components, build_components
from gan_aug_service.database.engine import Database
from gan_aug_service.http import problems
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.middleware import RequestMiddleware
from gan_aug_service.openapi.document import openapi
from gan_aug_service.queue.ray_runner import RayRunner
from gan_aug_service.queue.runner import LocalRunner, Runner
from gan_aug_service.queue.supervisor import job_counts
from gan_aug_service.records.catalogue.facts import fill_facts
from gan_aug_service.records.removal import finish_removals
from gan_aug_service.routes import (
    checks,
    data,
    datasets,
    health,
    jobs,
    models,
    predictions,
    queue,
    reports,
    rules,
    runs,
    samples,
    synthetic,
    uploads,
)
from gan_aug_service.routes.people import audit, invitations, keys, session
from gan_aug_service.routes.projects import members, notices, projects
from gan_aug_service.routes.release import downloads, releases
from gan_aug_service.settings import Settings
from gan_aug_service.uploads.orphans import remove_orphans
from gan_aug_service.web import site

RESOURCES = (
    checks, jobs, queue, datasets, data, uploads, models, samples, synthetic, releases, downloads, reports, predictions,
    runs, rules, projects, members, notices, keys, invitations, audit, session, health,
)  # fmt: skip
"""The modules of the REST routes, in the order of the OpenAPI document."""

CLOSE_SECONDS = 5.0
"""How long the service waits, when it closes, for the reading of one run's folder."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(settings: Settings) -> FastAPI:
    """The service on its state folder and database; its queue begins to work with the application's lifespan.

    Raises StorageError if the folder or the database cannot be used.
    """
    with storage_errors(settings.state):
        for folder in (settings.state, settings.runs, settings.uploads, settings.processes):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    components = _service_components(settings)
    app = assemble_app(
        components,
        (resource.router for resource in RESOURCES),
        title="gan-aug",
        lifespan=partial(_lifespan, components),
        openapi_url="/openapi.json",
        unlimited_paths=("/v1/uploads", "/v1/reports/*/predict"),
    )
    site.install(app)
    app.summary = "Train GANs on labelled medical images, make synthetic sets, compare AUC."
    app.openapi = partial(openapi, app, name_of_cookie(settings), settings.root_path)  # type: ignore[method-assign]
    return app


def assemble_app(
    components: Components,
    routers: Iterable[APIRouter],
    *,
    title: str,
    lifespan: Lifespan,
    openapi_url: str | None = None,
    unlimited_paths: Collection[str] = (),
) -> FastAPI:
    """An application over `components`, with problem documents and the middleware around every request.

    Args:
        components: What its requests share.
        routers: Its routes.
        title: Its name.
        lifespan: What happens before its first request and after its last one.
        openapi_url: The path of its OpenAPI document; without one it serves none.
        unlimited_paths: Paths that keep to a limit of their own on the body's size.

    Returns:
        The application.
    """
    settings = components.settings
    app = FastAPI(
        title=title,
        version=gan_aug.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=openapi_url,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # it would send the browser to whatever host the request names
    )
    app.state.components = components
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(
        RequestMiddleware,
        body_limit=settings.limits.body,
        unlimited_paths=unlimited_paths,
        https=settings.https,
        root_path=settings.root_path,
    )
    return app


def _service_components(settings: Settings) -> Components:
    database = Database(settings.database_url)
    metrics = Metrics(partial(job_counts, database), settings.state)
    runner: Runner = RayRunner(settings, settings.ray) if settings.ray else LocalRunner(settings)
    return build_components(settings, database, runner, metrics, metrics.count_samples)


@asynccontextmanager
async def _lifespan(components: Components, app: FastAPI) -> AsyncIterator[None]:
    del app
    remove_orphans(components.settings, components.database)
    finish_removals(components.settings, components.database)
    components.supervisor.start()
    wanted = (components.settings, components.database, components.closing)
    filling = threading.Thread(target=fill_facts, args=wanted, name="facts", daemon=True)
    filling.start()
    try:
        yield
    finally:
        components.closing.set()
        filling.join(CLOSE_SECONDS)
        components.supervisor.close()
        components.samplers.close()
        components.predictor.close()
        components.database.close()
