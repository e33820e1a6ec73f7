"""The control groups of this process, whose limits bind it: in a container the machine's own figures do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MOUNTS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def control_groups(controller: str) -> Iterator[Path]:
    """The folders of the groups that may limit this process, of either version, each from its own to the outermost.

    In a container only the outermost may be there. `controller` is the name in version 1: `cpu` or `memory`.
    """
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = [MOUNTS]  # version 2
        elif controller in controllers.split(","):
            mounts = [MOUNTS / name for name in dict.fromkeys((controller, controllers))]
        else:
            continue
        for mount in mounts:
            own = mount / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))
