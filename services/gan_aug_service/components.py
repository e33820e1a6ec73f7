"""What a running service consists of, shared by all its requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from fastapi import Request

from gan_aug_service.database.engine import Database
from gan_aug_service.database.key_cache import KeyCache
from gan_aug_service.http.metrics import Metrics
from gan_aug_service.http.rate_limit import RateLimiter
from gan_aug_service.http.shown_once import FORM_SECONDS, MOST_FORMS, ShownOnce
from gan_aug_service.oidc.provider import Provider
from gan_aug_service.queue.checker import Checker
from gan_aug_service.queue.runner import Runner
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.sampling.batcher import Samplers
from gan_aug_service.sampling.predictor import Predictor
from gan_aug_service.settings import Settings

FAILURE_BURST = 20
"""Refused keys that one address may send at once."""


@dataclass(frozen=True)
class Components:
    """One service's settings, database, job queue, loaded generators, predictor, rate limits and metrics."""

    settings: Settings
    database: Database
    supervisor: Supervisor
    checker: Checker
    samplers: Samplers
    predictor: Predictor
    rate_limiter: RateLimiter
    """Requests of each key."""
    failure_limiter: RateLimiter
    """Refused keys of each address."""
    metrics: Metrics
    provider: Provider | None = None
    """Whom people may sign in with, beside keys."""
    shown_once: ShownOnce = field(default_factory=ShownOnce)
    """New keys and links that wait for the page that shows them."""
    kept_forms: ShownOnce = field(default_factory=lambda: ShownOnce(seconds=FORM_SECONDS, most=MOST_FORMS))
    """Forms that were sent after their session had ended: they wait for their sender to sign in again."""
    key_cache: KeyCache = field(default_factory=KeyCache)
    streams: dict[str, set[object]] = field(default_factory=dict)
    """The event streams that each key has open."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the service is about to stop: event streams then end."""


def build_components(
    settings: Settings, database: Database, runner: Runner, metrics: Metrics, count: Callable[[int, int], None]
) -> Components:
    """The components of the service, or of one replica of its sampler; nothing is started yet.

    Args:
        settings: What the service was started with.
        database: Its records.
        runner: Where its jobs run.
        metrics: Its figures.
        count: Is told how many images were sampled, and in how many forward passes.

    Returns:
        The components.
    """
    limits = settings.limits
    return Components(
        settings=settings,
        database=database,
        supervisor=Supervisor(settings, database, runner),
        checker=Checker(settings),
        samplers=Samplers(count, limits.images),
        predictor=Predictor(),
        rate_limiter=RateLimiter(limits.rate, limits.burst),
        failure_limiter=RateLimiter(limits.failures, FAILURE_BURST),
        metrics=metrics,
        provider=Provider(settings.provider) if settings.provider else None,
    )


def components_of(request: Request) -> Components:
    """The components of the service that a request came to."""
    return cast("Components", request.app.state.components)
