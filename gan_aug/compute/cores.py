"""The processor cores that a process may use: how many it has, how many are idle, and how its threads wait."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from gan_aug.compute.control_groups import control_groups

SAMPLE_SECONDS = 0.3
"""How long the load of the machine is watched. Its load average would tell of minutes, and of this process too."""

STATISTICS = Path("/proc/stat")


def cores() -> int:
    """How many cores this process may use: those it may run on, but not more than the quota of its cgroup."""
    return max(1, min([len(_allowed()), *(int(share) for share in _quotas())]))


def threads_for(ranks: int) -> int:
    """The default number of threads for each of `ranks` training processes that share this machine.

    It is the user's OMP_NUM_THREADS, else an even part of the cores that no other work needs now.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdigit() and int(asked) else max(1, idle_cores() // ranks)


def idle_cores() -> int:
    """How many of the cores that this process may use no other work needs now, at least 1."""
    return max(1, min(cores(), round(len(_allowed()) - _busy_cores())))


def wait_passively() -> None:
    """Let threads that wait for each other sleep; it takes effect if PyTorch is not loaded yet, and in new processes.

    By default OpenMP's threads wait by spinning. Beside other work this takes the core from the thread they wait for.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _quotas() -> Iterator[float]:
    """The quotas, in cores, of this process's control groups."""
    for group in control_groups("cpu"):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            try:
                quota, period = " ".join((group / name).read_text(encoding="ascii") for name in names).split()
                if int(quota) > 0:
                    yield int(quota) / int(period)
            except (OSError, ValueError):
                pass  # no such group here, or no limit: "max"


def _busy_cores() -> float:
    """How many of the cores that this process may use are at work, while it sleeps; 0 if the system does not say."""
    before = _times()
    time.sleep(SAMPLE_SECONDS)
    after = _times()
    passed = [[new - old for new, old in zip(after[core], before[core], strict=True)] for core in before]
    return sum(1 - (idle / total if total else 1) for idle, total in passed)


def _times() -> dict[str, tuple[int, int]]:
    """For each allowed core its ticks since the start of the system: idle, and all."""
    wanted = {f"cpu{number}" for number in _allowed()}
    try:
        lines = [line.split() for line in STATISTICS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return {}
    ticks = {line[0]: [int(value) for value in line[1:9]] for line in lines if line and line[0] in wanted}
    return {name: (values[3] + values[4], sum(values)) for name, values in ticks.items()}
