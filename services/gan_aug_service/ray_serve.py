"""The sampler on Ray Serve: as many replicas as the requests need, each making blocks for whoever waits there.

    serve start --http-port 8001
    serve run gan_aug_service.ray_serve:application state=/shared/service replicas=4

Request, answer and keys are those of POST /v1/models/{id}/sample of the service whose folder and records it reads:
image k of a seed and label is the same bytes here and there, on like processors. docs/how-to/service.md has more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.util.metrics import Counter

from gan_aug.errors import ConfigError
from gan_aug.synthesis.sampler import BLOCK
from gan_aug_service.database.engine import Database
from gan_aug_service.http import logs, problems
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.middleware import Around
from gan_aug_service.http.rates import Buckets
from gan_aug_service.parts import Parts
from gan_aug_service.queue.runner import LocalRunner
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.routes import samples
from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.server import DATABASE_URL
from gan_aug_service.settings import Limits, Settings

REPLICAS = 4
RATE = Limits().rate
BUSY = 32
"""Requests at work in a replica above which Ray Serve starts another one, up to as many as were allowed."""

AT_WORK = 4 * BLOCK
"""Requests that one replica takes at once."""

QUEUED = 4 * AT_WORK
"""Requests that may wait for a replica; more are refused."""

CONNECTIONS = 4
"""Connections to the database that one replica may hold: all replicas together must leave the service some."""


@serve.ingress()
class Sampling:
    """One replica: its own loaded generators, connections and rates."""

    def __init__(self, settings: Settings, served: bool) -> None:
        """`served` says that a server holds the records; its address is read here, so that no password travels."""
        logs.install()
        address = records_of(settings.state) if served else None
        found = Settings(settings.state, database=address, limits=settings.limits)
        self._images = Counter("ganaug_serve_images", "images made on demand by replicas of the sampler")
        self._passes = Counter("ganaug_serve_blocks", "forward passes that they took")
        database = Database(found.database_url, connections=CONNECTIONS, upgrade=False)
        self._parts = Parts(
            settings=found,
            database=database,
            supervisor=Supervisor(found, database, LocalRunner(found)),  # not started: the queue has its keeper
            samplers=Samplers(self._count, found.limits.images),
            rates=Buckets(found.limits.rate, found.limits.burst),
            failures=Buckets(found.limits.failures, 20),
            metrics=Metrics(dict, found.state),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application of this replica."""
        app = FastAPI(
            title="gan-aug sampler", docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._while_it_serves
        )
        app.state.parts = self._parts
        problems.install(app)
        app.include_router(samples.router)
        app.add_middleware(Around, body_limit=self._parts.settings.limits.body, unlimited=frozenset())
        return app

    async def check_health(self) -> None:
        """Raise where the database does not answer: Ray Serve then starts another replica.

        Generators of runs that were removed meanwhile are let go.
        """
        self._parts.samplers.let_go()
        if not await asyncio.to_thread(self._parts.database.answers):
            raise RuntimeError("the database does not answer")

    @asynccontextmanager
    async def _while_it_serves(self, app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        self._parts.samplers.close()
        self._parts.database.close()

    def _count(self, images: int, passes: int) -> None:
        self._images.inc(images)
        self._passes.inc(passes)


def records_of(state: Path) -> str:
    """The address of the service's database as this node has it; raises ConfigError where it has none."""
    address = os.environ.get(DATABASE_URL)
    if not address:
        raise ConfigError(
            f"this node has no {DATABASE_URL}, and the records of {state} are in a database server: start Ray's nodes "
            "with it"
        )
    return address


def application(arguments: dict[str, str]) -> serve.Application:
    """What `serve run gan_aug_service.ray_serve:application state=DIR [replicas=N] [rate=N]` runs.

    With `GAN_AUG_DATABASE_URL` set here the nodes need it too. Without it the records are SQLite's file in the folder,
    and all replicas stay on this machine: SQLite is not for several machines. Raises ConfigError for other words.
    """
    given = {"replicas": f"{REPLICAS}", "rate": f"{RATE:g}"} | arguments
    state, most, rate = Path(given.pop("state", "")), given.pop("replicas"), given.pop("rate")
    if given or not state.is_absolute() or not (state / "runs").is_dir() or not (_counts(most) and _counts(rate)):
        raise ConfigError(
            f"{' '.join(f'{name}={value}' for name, value in arguments.items()) or 'nothing'} was given: name the "
            "service's folder in full, as all nodes see it, how many replicas there may be, and the requests a second "
            "of a key: state=DIR replicas=4 rate=50"
        )
    served = bool(os.environ.get(DATABASE_URL))
    if not served and not (state / "service.db").is_file():
        raise ConfigError(f"{state} holds no service.db: set {DATABASE_URL} here and on all nodes")
    actor: dict[str, Any] = {"num_cpus": 1}
    if not served:
        here: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        actor["resources"] = {f"node:{here}": 0.001}
    deployment = serve.deployment(
        name="sampler",
        max_ongoing_requests=AT_WORK,
        max_queued_requests=QUEUED,
        ray_actor_options=actor,
        autoscaling_config={"min_replicas": 1, "max_replicas": int(most), "target_ongoing_requests": BUSY},
    )
    settings = Settings(state, limits=Limits(rate=float(rate)))
    sampler: serve.Application = deployment(Sampling).bind(settings, served)
    return sampler


def _counts(word: str) -> bool:
    """Whether a word is a whole number above 0."""
    return word.isdecimal() and int(word) > 0
