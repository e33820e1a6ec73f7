"""What a running service is made of, for the routes to reach."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from gan_aug_service.database.engine import Database
from gan_aug_service.database.known_keys import KnownKeys
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.rates import Buckets
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.settings import Settings


@dataclass(frozen=True)
class Parts:
    """One service's settings, records, queue, loaded generators, rates and figures."""

    settings: Settings
    database: Database
    supervisor: Supervisor
    samplers: Samplers
    rates: Buckets
    failures: Buckets
    metrics: Metrics
    known_keys: KnownKeys = field(default_factory=KnownKeys)
    streams: dict[str, set[object]] = field(default_factory=dict)
    """The event streams that each key has open."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the service is about to stop: event streams end."""


def parts_of(request: Request) -> Parts:
    """The parts of the service that a request came to."""
    return cast("Parts", request.app.state.parts)
