"""One worker on Ray: an actor that is set up once and works on one item after the other, and on which terms."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gan_aug
from gan_aug.compute.counters import count, watch
from gan_aug.compute.local.freed_memory import keep_freed_memory
from gan_aug.errors import ComputeError

SEEN_SECONDS = 10.0
"""How long a network file system may take to show a new file on another host."""


@dataclass(frozen=True)
class Terms:
    """What a worker must find in order to take part: these versions, and the file `mark` of the run folder."""

    versions: dict[str, str]
    mark: Path | None


@dataclass(frozen=True)
class Whereabouts:
    """Where a worker lives: address of its node, process number, numbers of its GPUs there."""

    host: str
    process: int
    gpus: tuple[str, ...]

    def __str__(self) -> str:
        """As a sentence has it."""
        gpus = f", GPU {', '.join(self.gpus)}" if self.gpus else ""
        return f"{self.host} (process {self.process}{gpus})"


def versions() -> dict[str, str]:
    """The versions that decide what comes out: of gan_aug, and of torch without the kind of its build."""
    try:
        torch = version("torch").partition("+")[0]
    except PackageNotFoundError:
        torch = "none"
    return {"gan_aug": gan_aug.__version__, "torch": torch}


def whereabouts(gpus: tuple[str, ...]) -> Whereabouts:
    """Where this process lives."""
    import ray  # noqa: TID251 - the door

    return Whereabouts(str(ray.util.get_node_ip_address()), os.getpid(), gpus)  # type: ignore[no-untyped-call]


def check(terms: Terms, place: Whereabouts) -> None:
    """Raise ComputeError where this process does not meet the terms."""
    for name, ours in versions().items():
        if ours != terms.versions[name]:
            raise ComputeError(
                f"the node {place.host} has {name} {ours} and this process {terms.versions[name]}: install the "
                "same version on both, or send the job there with `gan-aug submit`"
            )
    if terms.mark is not None and not _appears(terms.mark):
        raise ComputeError(
            f"the node {place.host} cannot see the run folder {terms.mark.parent}: give with --run a folder on "
            "storage that all nodes share, under the same path"
        )


class Worker:
    """The actor. It computes on the GPUs that Ray gave it, and on none where it gave none."""

    def __init__(self) -> None:
        import ray  # noqa: TID251 - the door

        self._state: Any = None
        self._gpus = tuple(str(number) for number in ray.get_gpu_ids())
        if not self._gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves them all in sight

    def start(self, setup: Callable[[], Any] | None, terms: Terms) -> Whereabouts:
        """Check the terms, then build what `work` gets; raises ComputeError where they are not met."""
        place = whereabouts(self._gpus)
        check(terms, place)
        watch(_Metrics())
        keep_freed_memory()
        self._state = setup() if setup else None
        return place

    def run(self, work: Callable[[Any, Any], Any], item: Any, again: bool) -> Any:
        """`work(state, item)`; `again` says that an earlier worker was lost with the item."""
        if again:
            count("retries")
        return work(self._state, item)


class _Metrics:
    """Counts on Ray's dashboard and its Prometheus page: gan_aug_images, gan_aug_shards, gan_aug_cells, ..."""

    def __init__(self) -> None:
        self._counters: dict[str, Any] = {}

    def __call__(self, what: str, amount: int) -> None:
        from ray.util.metrics import Counter  # noqa: TID251 - the door

        if what not in self._counters:
            self._counters[what] = Counter(f"gan_aug_{what}", description=f"{what} by the workers of gan_aug")
        self._counters[what].inc(amount)


def _appears(file: Path) -> bool:
    """Whether a file can be seen, now or a little later."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
