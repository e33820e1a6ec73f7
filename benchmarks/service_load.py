"""The service under load: list and status calls at a fixed rate, and sampling with and without shared passes.

    python benchmarks/service_load.py [--rate 300] [--seconds 20] [--clients 64]

Prints the 50th, 95th and 99th percentile of the answers' times, measured from when each was due (a late call counts
as slow), and images a second of 64 clients that each ask for one image, with and without batching, in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests" / "services")]

from live_service import LiveService  # noqa: E402 - helpers of the tests
from service_samples import make_run  # noqa: E402

from services.sampling import Samplers  # noqa: E402

JOBS = 200
"""Jobs on record while lists are asked for."""

CONFIG = {"data": {"source": "digits"}, "train": {"images": 10**9}}


async def calls(service: LiveService, ids: list[str], rate: float, seconds: float) -> list[float]:
    """Seconds to each answer of list and status calls in turn, from when it was due."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    headers = {"Authorization": f"Bearer {service.key}"}
    taken: list[float] = []
    url = f"http://127.0.0.1:{service.port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60) as client:
        start = time.perf_counter()

        async def one(number: int) -> None:
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            path = f"/v1/jobs/{ids[number % len(ids)]}" if number % 2 else "/v1/jobs?limit=50"
            answer = await client.get(path)
            answer.raise_for_status()
            taken.append(time.perf_counter() - due)

        await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
    return taken


async def sampling(run: Path, clients: int, shared: bool, rounds: int = 5) -> float:
    """Images a second of clients that each ask for one image at a time."""
    samplers = Samplers(lambda *_: None)
    batcher = await samplers.of(run)
    batcher.shares = batcher.shares and shared
    row = np.eye(10, dtype=np.float32)[:1]

    async def client(number: int) -> None:
        for k in range(rounds):
            await batcher.sample(row, number, k)

    await batcher.sample(row, 0, 0)
    start = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    rate = clients * rounds / (time.perf_counter() - start)
    samplers.close()
    return rate


def percentiles(taken: list[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile in milliseconds."""
    cuts = statistics.quantiles(taken, n=100)
    return {f"p{share}": round(1000 * cuts[share - 1], 1) for share in (50, 95, 99)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=64)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        service = LiveService(place, "--rate", "100000")
        service.start()
        ids = [submit(service) for _ in range(JOBS)]
        for job in ids:
            service.call("DELETE", f"/v1/jobs/{job}")
        asyncio.run(calls(service, ids, min(asked.rate, 50), 2))
        taken = asyncio.run(calls(service, ids, asked.rate, asked.seconds))
        service.stop()
        print(f"list and status at {asked.rate:.0f}/s: {percentiles(taken)} ms over {len(taken)} calls")
        run = make_run(place / "run")
        together, alone = (asyncio.run(sampling(run, asked.clients, shared)) for shared in (True, False))
        ratio = together / alone
        said = f"{together:.0f} images/s batched, {alone:.0f} alone, {ratio:.1f} x"
        print(f"sampling, {asked.clients} clients: {said}")


def submit(service: LiveService) -> str:
    """A job on record."""
    answer: dict[str, Any] = service.call("POST", "/v1/jobs/train", json=CONFIG).json()
    return str(answer["id"])


if __name__ == "__main__":
    main()
