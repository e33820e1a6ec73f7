"""The application: its parts joined, its routes, its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

import gan_aug
from gan_aug.run.files import storage_errors
from gan_aug_service.database.engine import Database
from gan_aug_service.http import problems
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.middleware import Around
from gan_aug_service.http.openapi import openapi
from gan_aug_service.http.rates import Buckets
from gan_aug_service.parts import Parts
from gan_aug_service.queue.ray_runner import RayRunner
from gan_aug_service.queue.runner import LocalRunner, Runner
from gan_aug_service.queue.supervisor import Supervisor, job_counts
from gan_aug_service.records.removal import finish_removals
from gan_aug_service.routes import (
    audit,
    datasets,
    health,
    jobs,
    keys,
    models,
    reports,
    runs,
    samples,
    session,
    synthetic,
    uploads,
)
from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.settings import Settings
from gan_aug_service.uploads.leftovers import sweep_uploads
from gan_aug_service.web import site

NOUNS = (jobs, datasets, uploads, models, samples, synthetic, reports, runs, keys, audit, session, health)


def create_app(settings: Settings) -> FastAPI:
    """The service on its state folder and database; its queue begins with the application's lifespan.

    Raises StorageError where the folder or the database cannot be used.
    """
    with storage_errors(settings.state):
        for folder in (settings.state, settings.runs, settings.uploads, settings.processes):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    parts = _parts(settings)
    app = FastAPI(
        title="gan-aug",
        version=gan_aug.__version__,
        summary="Train GANs on labelled medical images, make synthetic sets, compare AUC.",
        docs_url=None,
        redoc_url=None,
        lifespan=partial(_lifespan, parts),
        separate_input_output_schemas=False,
    )
    app.state.parts = parts
    problems.install(app)
    for noun in NOUNS:
        app.include_router(noun.router)
    site.install(app)
    unlimited = frozenset({"/v1/uploads"})
    app.add_middleware(Around, body_limit=settings.limits.body, unlimited=unlimited, https=settings.https)
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


def _parts(settings: Settings) -> Parts:
    database = Database(settings.database_url)
    metrics = Metrics(partial(job_counts, database), settings.state)
    runner: Runner = RayRunner(settings, settings.ray) if settings.ray else LocalRunner(settings)

    def count(images: int, blocks: int) -> None:
        metrics.images.inc(images)
        metrics.blocks.inc(blocks)

    return Parts(
        settings=settings,
        database=database,
        supervisor=Supervisor(settings, database, runner),
        samplers=Samplers(count, settings.limits.images),
        rates=Buckets(settings.limits.rate, settings.limits.burst),
        failures=Buckets(settings.limits.failures, 20),
        metrics=metrics,
    )


@asynccontextmanager
async def _lifespan(parts: Parts, app: FastAPI) -> AsyncIterator[None]:
    del app
    sweep_uploads(parts.settings, parts.database)
    finish_removals(parts.settings, parts.database)
    parts.supervisor.start()
    try:
        yield
    finally:
        parts.closing.set()
        parts.supervisor.close()
        parts.samplers.close()
        parts.database.close()
