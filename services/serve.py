"""The sampler on Ray Serve: as many replicas as the requests need, each making blocks for whoever waits there.

    serve run services.serve:application state=/shared/service replicas=4

Request, answer and keys are those of POST /v1/models/{id}/sample of the service whose folder and database it reads:
image k of a seed and label is the same bytes here and there. Ray Serve's address (port 8000) is for a proxy that ends
TLS, as the service's own is.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve

from gan_aug.errors import ConfigError
from gan_aug.synthesis.sampler import BLOCK
from services import problems
from services.database.engine import Database
from services.limits import Buckets
from services.metrics import Metrics
from services.middleware import Around
from services.parts import Parts
from services.processes import LocalRunner
from services.routes import samples
from services.sampling import WINDOW_SECONDS, Batcher, Floats, Images, Samplers
from services.server import DATABASE_URL
from services.settings import Settings
from services.supervisor import Supervisor

REPLICAS = 4
BUSY = 32
"""Requests at work in a replica above which Ray Serve starts another one, up to as many as were allowed."""

WAITING = 4 * BLOCK
"""Requests that one replica takes at once; others wait at the proxy."""


class ServeBatcher(Batcher):
    """A Batcher whose blocks Ray Serve gathers."""

    async def _shared(self, noise: Floats, labels: Floats) -> Images:
        images = await asyncio.gather(*(self._image(row) for row in zip(noise, labels, strict=True)))
        return np.stack(images)

    @serve.batch(max_batch_size=BLOCK, batch_wait_timeout_s=WINDOW_SECONDS)
    async def _image(self, rows: list[tuple[Any, Any]]) -> list[Images]:
        noise, labels = (np.stack(part) for part in zip(*rows, strict=True))
        return list(await self.forward(noise, labels))


@serve.ingress()
class Sampling:
    """One replica: its own loaded generators, connections and rates."""

    def __init__(self, settings: Settings) -> None:
        """The database's address is read where the replica runs, so that no password travels."""
        self._settings = replace(settings, database=records_of(settings.state))
        self._made = self._passes = 0

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application of this replica."""
        app = FastAPI(title="gan-aug sampler", docs_url=None, redoc_url=None, openapi_url=None)
        app.state.parts = self._parts()
        problems.install(app)
        app.include_router(samples.router)
        app.add_middleware(Around, body_limit=self._settings.limits.body, unlimited=frozenset())
        return app

    def counts(self) -> tuple[int, int]:
        """Images made by this replica, and the passes that they took."""
        return self._made, self._passes

    def _count(self, images: int, passes: int) -> None:
        self._made += images
        self._passes += passes

    def _parts(self) -> Parts:
        settings, database = self._settings, Database(self._settings.database_url)
        return Parts(
            settings=settings,
            database=database,
            supervisor=Supervisor(settings, database, LocalRunner(settings)),  # not started: the queue has its keeper
            samplers=Samplers(self._count, ServeBatcher),
            rates=Buckets(settings.limits.rate, settings.limits.burst),
            failures=Buckets(settings.limits.failures, 20),
            metrics=Metrics(dict),
        )


def records_of(state: Path) -> str | None:
    """The address of the service's database as this node has it, None for the file in its folder.

    Raises ConfigError where there is neither: an empty database would know no key.
    """
    address = os.environ.get(DATABASE_URL)
    if not address and not (state / "service.db").is_file():
        raise ConfigError(
            f"{state} holds no service.db: start Ray's nodes with the service's {DATABASE_URL} where it has one, and "
            "give its folder as all nodes see it"
        )
    return address or None


def application(arguments: dict[str, str]) -> serve.Application:
    """What `serve run services.serve:application state=DIR [replicas=N]` runs; raises ConfigError for other words."""
    given = {"replicas": f"{REPLICAS}"} | arguments
    state, most = Path(given.pop("state", "")), given.pop("replicas")
    if given or not state.is_absolute() or not (state / "runs").is_dir() or not most.isdecimal() or most == "0":
        raise ConfigError(
            f"{' '.join(f'{name}={value}' for name, value in arguments.items()) or 'nothing'} was given: name the "
            "service's folder in full, as all nodes see it, and how many replicas there may be: state=DIR replicas=4"
        )
    deployment = serve.deployment(
        name="sampler",
        max_ongoing_requests=WAITING,
        ray_actor_options={"num_cpus": 1},
        autoscaling_config={"min_replicas": 1, "max_replicas": int(most), "target_ongoing_requests": BUSY},
    )
    sampler: serve.Application = deployment(Sampling).bind(Settings(state))
    return sampler
