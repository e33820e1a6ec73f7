"""The service's metrics, for Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Requests by route and status, jobs by state, sampled images and their forward passes, free disk space."""

    def __init__(self, job_counts: Callable[[], dict[str, int]], state: Path) -> None:
        """Begin at zero. `job_counts` and the disk of the folder `state` are asked each time that the metrics are."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ganaug_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "ganaug_request_seconds", "Seconds to the answer", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.images = Counter("ganaug_sampled_images", "Images sampled on demand", registry=self.registry)
        self.blocks = Counter("ganaug_sampled_blocks", "Forward passes they took", registry=self.registry)
        disk = Gauge("ganaug_disk_free_bytes", "Free bytes of the state folder's disk", registry=self.registry)
        disk.set_function(lambda: disk_free(state))
        self.registry.register(_Jobs(job_counts))

    def count_samples(self, images: int, passes: int) -> None:
        """Count images that were sampled on demand, and the forward passes that they took."""
        self.images.inc(images)
        self.blocks.inc(passes)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def disk_free(folder: Path) -> int:
    """Free bytes of the disk that a folder is on; 0 if the system cannot tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


class _Jobs(Collector):
    def __init__(self, counts: Callable[[], dict[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The jobs of each state, counted now."""
        family = GaugeMetricFamily("ganaug_jobs", "Jobs by state", labels=["state"])
        for state, count in self._counts().items():
            family.add_metric([state], count)
        yield family
