"""The service under load while one of its jobs trains: list and status calls at a fixed rate.

    python -m benchmarks.service_load [--rate 300] [--seconds 20]

It prints the 50th, 95th and 99th percentile of the response times for `GET /v1/jobs?limit=50` and `GET /v1/jobs/ID` in
turn, and the processor time that the service spends on each call. Times are counted from the moment when a call is due,
so a late call counts as slow. The reference in the same run is `GET /healthz` at the same rate, which uses no database
and needs no key.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.service_client import Connection, load, processor_seconds
from tests.support.service.live_service import LiveService

JOBS = 200
"""The number of jobs in the database."""

CONNECTIONS = 32
TRAINING = {"data": {"source": "digits"}, "train": {"images": 4_000_000}, "compute": {"workers": 1, "threads": 1}}
Wait = tuple[float, float]
"""When a call was due and when its answer had arrived, in seconds."""


async def calls(service: LiveService, paths: list[str], rate: float, seconds: float) -> list[Wait]:
    """Request the paths in turn at a fixed rate, whether or not earlier calls have been answered.

    Args:
        service: The running service.
        paths: What to request.
        rate: Calls per second.
        seconds: How long.

    Returns:
        The times of all calls.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await Connection.open(service))
    start, waits = time.perf_counter(), list[Wait]()

    async def one(number: int, path: str) -> None:
        due = number / rate
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        connection = await free.get()
        await connection.call(path)
        free.put_nowait(connection)
        waits.append((due, time.perf_counter() - start))

    many = islice(cycle(paths), int(rate * seconds))
    await asyncio.gather(*(one(number, path) for number, path in enumerate(many)))
    while not free.empty():
        free.get_nowait().close()
    return waits


def measure(service: LiveService, name: str, paths: list[str], rate: float, seconds: float) -> float:
    """Measure calls; print percentiles, the rate that was reached, and the processor time.

    Args:
        service: The running service.
        name: The line's name.
        paths: What to request.
        rate: Calls per second.
        seconds: How long.

    Returns:
        The service's processor time in milliseconds per call.
    """
    assert service.process
    before = processor_seconds(service.process.pid)
    waits = asyncio.run(calls(service, paths, rate, seconds))
    spent = 1000 * (processor_seconds(service.process.pid) - before) / len(waits)
    cuts = statistics.quantiles([answered - due for due, answered in waits], n=100)
    shown = ", ".join(f"p{share} {1000 * cuts[share - 1]:.1f} ms" for share in (50, 95, 99))
    reached = len(waits) / max(answered for _, answered in waits)
    print(f"{name:24} {reached:5.0f}/s of {rate:.0f}/s  {shown}  {spent:.2f} ms of processor a call", flush=True)
    return spent


def submit(service: LiveService) -> str:
    """Submit a training job; returns its id."""
    answer: dict[str, Any] = service.call("POST", "/v1/jobs/train", json=TRAINING).json()
    return str(answer["id"])


def wait_for_training(service: LiveService, job: str) -> None:
    """Wait until the job has made its first steps."""
    for _ in range(1200):
        if '"stage": "train", "kind": "progress"' in service.call("GET", f"/v1/jobs/{job}/events?wait=false").text:
            return
        time.sleep(0.5)
    raise TimeoutError(f"job {job} does not train")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = LiveService(Path(folder), "--rate", "100000", first="")
        service.start()
        ids = [submit(service) for _ in range(JOBS)]
        try:
            wait_for_training(service, ids[0])
            print(f"{JOBS} jobs, one of them trains, {load()}")
            lists, statuses = ["/v1/jobs?limit=50"], [f"/v1/jobs/{job}" for job in ids]
            both = [path for status in statuses for path in (status, *lists)]
            measure(service, "warm-up", both, asked.rate / 4, 2)
            reference = measure(service, "healthz (reference)", ["/healthz"], asked.rate, asked.seconds)
            for name, paths in (("list and status", both), ("list", lists), ("status", statuses)):
                spent = measure(service, name, paths, asked.rate, asked.seconds)
                print(f"{'':24} {spent / reference:.1f} x the reference's processor time; {load()}")
        finally:
            for job in reversed(ids):
                service.call("DELETE", f"/v1/jobs/{job}")
            time.sleep(2)
            service.stop()


if __name__ == "__main__":
    main()
