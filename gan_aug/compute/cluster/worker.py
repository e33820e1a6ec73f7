"""One worker on Ray: an actor that checks its requirements, is set up once, and works on one item after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gan_aug.compute.counters import count, watch
from gan_aug.compute.memory import keep_freed_memory
from gan_aug.errors import ComputeError
from gan_aug.version import __version__

VISIBLE_SECONDS = 10.0
"""How long a network file system may take until a new file is visible on another host."""


@dataclass(frozen=True)
class WorkerRequirements:
    """What a worker must have: the same versions, and a view of the file `marker` in the run folder."""

    versions: dict[str, str]
    marker: Path | None


@dataclass(frozen=True)
class WorkerLocation:
    """Where a worker runs: its node's address, its process id, and the numbers of its GPUs on that node."""

    host: str
    process: int
    gpus: tuple[str, ...]

    def __str__(self) -> str:
        """The location in words, for a message."""
        gpus = f", GPU {', '.join(self.gpus)}" if self.gpus else ""
        return f"{self.host} (process {self.process}{gpus})"


def versions() -> dict[str, str]:
    """The versions on which results depend: of gan_aug and of torch, without torch's build label such as `+cpu`."""
    try:
        torch = version("torch").partition("+")[0]
    except PackageNotFoundError:
        torch = "none"
    return {"gan_aug": __version__, "torch": torch}


def current_location(gpus: tuple[str, ...]) -> WorkerLocation:
    """Where this process runs."""
    import ray  # noqa: TID251 - the door

    return WorkerLocation(str(ray.util.get_node_ip_address()), os.getpid(), gpus)  # type: ignore[no-untyped-call]


def check(requirements: WorkerRequirements, location: WorkerLocation) -> None:
    """Raise ComputeError unless this process meets the requirements."""
    for name, ours in versions().items():
        if ours != requirements.versions[name]:
            raise ComputeError(
                f"the node {location.host} has {name} {ours} and this process {requirements.versions[name]}: install "
                "the same version on both, or send the job there with `gan-aug submit`"
            )
    if requirements.marker is not None and not _becomes_visible(requirements.marker):
        raise ComputeError(
            f"the node {location.host} cannot see the run folder {requirements.marker.parent}: name with --run a "
            "folder on storage that all nodes share, under the same path"
        )


class Worker:
    """The actor. It computes on the GPUs that Ray gave it; if Ray gave none, it sees none."""

    def __init__(self) -> None:
        import ray  # noqa: TID251 - the door

        self._state: Any = None
        self._gpus = tuple(str(number) for number in ray.get_gpu_ids())
        if not self._gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all of them visible

    def start(self, setup: Callable[[], Any] | None, requirements: WorkerRequirements) -> WorkerLocation:
        """Check the requirements, then build the `state` for `run`; raises ComputeError if they are not met."""
        location = current_location(self._gpus)
        check(requirements, location)
        watch(_Metrics())
        keep_freed_memory()
        self._state = setup() if setup else None
        return location

    def run(self, work: Callable[[Any, Any], Any], item: Any, again: bool) -> Any:
        """Work on one item.

        Args:
            work: Called with the worker's state and the item.
            item: What to work on.
            again: Whether an earlier worker was lost with this item; it is counted as a retry.

        Returns:
            The result of `work`.
        """
        if again:
            count("retries")
        return work(self._state, item)


class _Metrics:
    """Passes counts on to Ray's dashboard and Prometheus page: gan_aug_images, gan_aug_shards, gan_aug_cells, ..."""

    def __init__(self) -> None:
        self._counters: dict[str, Any] = {}

    def __call__(self, what: str, amount: int) -> None:
        from ray.util.metrics import Counter  # noqa: TID251 - the door

        if what not in self._counters:
            self._counters[what] = Counter(f"gan_aug_{what}", description=f"{what} by the workers of gan_aug")
        self._counters[what].inc(amount)


def _becomes_visible(file: Path) -> bool:
    """Whether a file is visible now or within VISIBLE_SECONDS."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
