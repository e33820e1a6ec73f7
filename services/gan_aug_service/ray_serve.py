"""The sampler on Ray Serve: as many replicas as the requests need, each batching the requests that it gets.

    serve start --http-port 8001
    serve run gan_aug_service.ray_serve:application state=/shared/service replicas=4

Requests, answers and keys are those of POST /v1/models/{id}/sample, walk and cases of the service whose folder and
records it reads.
Image k of a seed and label is the same bytes here and there, on processors of the same kind. It is the same code:
routes/samples.py over the same components (app.py). docs/how-to/service.md has more.
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
from gan_aug_service.app import assemble_app
from gan_aug_service.components import build_components
from gan_aug_service.database.engine import Database
from gan_aug_service.http import logs
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.queue.runner import LocalRunner
from gan_aug_service.routes import samples
from gan_aug_service.settings import DATABASE_URL, Limits, Settings

REPLICAS = 4
RATE = Limits().rate
TARGET_REQUESTS = 32
"""Requests at work in a replica above which Ray Serve starts another one, up to the number of replicas allowed."""

MAX_REQUESTS = 4 * BLOCK
"""Requests that one replica works on at once."""

MAX_QUEUED = 4 * MAX_REQUESTS
"""Requests that may wait for a replica; more are refused."""

CONNECTIONS = 4
"""Connections to the database that one replica may hold: the service needs some beside those of all replicas."""


@serve.ingress()
class Sampling:
    """One replica: its own loaded generators, database connections and rate limits."""

    def __init__(self, settings: Settings, served: bool) -> None:
        """Open the records.

        `served` says that a database server holds them. Its address is read here, so that no password travels.
        """
        logs.install()
        address = records_of(settings.state) if served else None
        found = Settings(settings.state, database=address, limits=settings.limits)
        self._images = Counter("ganaug_serve_images", "images made on demand by replicas of the sampler")
        self._passes = Counter("ganaug_serve_blocks", "forward passes that they took")
        database = Database(found.database_url, connections=CONNECTIONS, upgrade=False)
        # Its supervisor is never started: the service keeps the queue.
        self._components = build_components(
            found, database, LocalRunner(found), Metrics(dict, found.state), self._count
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application of this replica."""
        return assemble_app(self._components, [samples.router], title="gan-aug sampler", lifespan=self._lifespan)

    async def check_health(self) -> None:
        """Raise if the database does not answer: Ray Serve then starts another replica.

        Generators of runs that were removed meanwhile leave the memory.
        """
        self._components.samplers.evict_removed()
        if not await asyncio.to_thread(self._components.database.answers):
            raise RuntimeError("the database does not answer")

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        self._components.samplers.close()
        self._components.predictor.close()
        self._components.database.close()

    def _count(self, images: int, passes: int) -> None:
        self._images.inc(images)
        self._passes.inc(passes)


def records_of(state: Path) -> str:
    """The address of the service's database, from this node's environment; raises ConfigError if it has none."""
    address = os.environ.get(DATABASE_URL)
    if not address:
        raise ConfigError(
            f"this node has no {DATABASE_URL}, and the records of {state} are in a database server: start Ray's nodes "
            "with it"
        )
    return address


def application(arguments: dict[str, str]) -> serve.Application:
    """What `serve run gan_aug_service.ray_serve:application state=DIR [replicas=N] [rate=N]` runs.

    If `GAN_AUG_DATABASE_URL` is set here, all nodes need it. Without it the records are an SQLite file in the folder,
    and all replicas stay on this machine, since SQLite is not for several machines. Raises ConfigError for any other
    argument.
    """
    given = {"replicas": f"{REPLICAS}", "rate": f"{RATE:g}"} | arguments
    state, replicas, rate = Path(given.pop("state", "")), given.pop("replicas"), given.pop("rate")
    is_state = state.is_absolute() and (state / "runs").is_dir()
    if given or not (is_state and _is_positive(replicas) and _is_positive(rate)):
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
        max_ongoing_requests=MAX_REQUESTS,
        max_queued_requests=MAX_QUEUED,
        ray_actor_options=actor,
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": int(replicas),
            "target_ongoing_requests": TARGET_REQUESTS,
        },
    )
    settings = Settings(state, limits=Limits(rate=float(rate)))
    sampler: serve.Application = deployment(Sampling).bind(settings, served)
    return sampler


def _is_positive(word: str) -> bool:
    """Whether a word of the command line is a whole number above 0."""
    return word.isdecimal() and int(word) > 0
