"""What a running service is made of, for the routes to reach."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from services.database.engine import Database
from services.known_keys import KnownKeys
from services.limits import Buckets
from services.metrics import Metrics
from services.sampling import Samplers
from services.settings import Settings
from services.supervisor import Supervisor


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
