"""Many clients that each ask for one image at a time, with shared forward passes and with one pass for each request.

    python -m benchmarks.service_sampling [--clients 64] [--rounds 5]

It prints images per second and the processor time per image, of the sampler alone (in this process, without HTTP) and
of the whole service (with keys, audit, PNG and HTTP). Both are measured with batching and, as the reference in the same
run, without it. It also prints how many images a pass contained. If the machine does other work, compare the processor
times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.ray_generation import untrained
from benchmarks.service_client import Connection, load, processor_seconds
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import Run, new_id
from gan_aug_service.sampling.batcher import Samplers
from tests.support.service.live_service import LiveService

ALONE = "import gan_aug_service.sampling.batcher as s; s.rows_can_move = lambda generator: False; "
"""Code that a service runs first, so that every request has its own forward passes."""


@dataclass
class Cost:
    """The cost of some images: seconds, processor seconds, and how many images a pass contained, if that is known."""

    images: int
    seconds: float
    processor: float
    held: float = 0.0

    def __str__(self) -> str:
        held = f", {self.held:.1f} images a pass" if self.held else ""
        rate, spent = self.images / self.seconds, 1000 * self.processor / self.images
        return f"{rate:7.1f} images/s, {spent:7.1f} ms of processor an image{held}"

    def beside(self, reference: Cost) -> str:
        """The ratios to a reference, in words."""
        rate, spent = reference.seconds / self.seconds, reference.processor / self.processor
        return f"{rate:.1f} x the rate, 1/{spent:.1f} of the processor"


async def sampler(run: Path, clients: int, rounds: int, shared: bool) -> Cost:
    """Measure the sampler alone.

    Args:
        run: A run folder with a trained generator.
        clients: How many clients.
        rounds: How many images each client asks for, one after the other.
        shared: Whether requests share forward passes.

    Returns:
        The cost.
    """
    counted = [0, 0]

    def count(images: int, passes: int) -> None:
        counted[0] += images
        counted[1] += passes

    samplers = Samplers(count)
    batcher = await samplers.get(run)
    batcher.shares_passes = batcher.shares_passes and shared
    row = np.eye(len(batcher.checkpoint.labels), dtype=np.float32)[:1]

    async def client(number: int) -> None:
        for k in range(rounds):
            await batcher.sample(row, number, k)

    await batcher.sample(row, 0, 0)
    start, before, counted[:] = time.perf_counter(), time.process_time(), [0, 0]
    await asyncio.gather(*(client(number) for number in range(clients)))
    cost = Cost(clients * rounds, time.perf_counter() - start, time.process_time() - before, counted[0] / counted[1])
    samplers.close()
    return cost


async def service(folder: Path, run: Path, clients: int, rounds: int, first: str) -> Cost:
    """Measure a whole service.

    Args:
        folder: The service's state folder.
        run: A run folder with a trained generator.
        clients: How many clients.
        rounds: How many images each client asks for, one after the other.
        first: Code that the service runs first.

    Returns:
        The cost.
    """
    live = LiveService(folder, "--rate", "100000", first=first)
    live.start()
    try:
        identifier = new_id()
        shutil.copytree(run, live.state / "runs" / identifier)
        database = Database(f"sqlite:///{live.state / 'service.db'}")
        with database.writing() as session:
            session.add(Run(id=identifier, project="default", model=True))
        database.close()
        path = f"/v1/models/{identifier}/sample"
        connections = [await Connection.open(live) for _ in range(clients)]

        async def client(number: int) -> None:
            for k in range(rounds):
                await connections[number].call(path, json.dumps({"label": "0", "seed": number, "first": k}).encode())

        await connections[0].call(path, b'{"label": "0"}')
        assert live.process
        start, before = time.perf_counter(), processor_seconds(live.process.pid)
        await asyncio.gather(*(client(number) for number in range(clients)))
        spent = processor_seconds(live.process.pid) - before
        for connection in connections:
            connection.close()
        return Cost(clients * rounds, time.perf_counter() - start, spent)
    finally:
        live.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        untrained(folder / "run" / "train" / "checkpoints")
        many = asked.clients, asked.rounds
        print(f"{asked.clients} clients, {asked.rounds} images each, generator of configs/mnist.yaml; {load()}")
        together, alone = (asyncio.run(sampler(folder / "run", *many, shared)) for shared in (True, False))
        print(f"sampler, batched                 {together}")
        print(f"sampler, unbatched (reference)   {alone}: {together.beside(alone)}", flush=True)
        for place in ("batched", "unbatched"):
            (folder / place).mkdir()
        together = asyncio.run(service(folder / "batched", folder / "run", *many, ""))
        print(f"service, batched                 {together}", flush=True)
        alone = asyncio.run(service(folder / "unbatched", folder / "run", *many, ALONE))
        print(f"service, unbatched (reference)   {alone}: {together.beside(alone)}; {load()}")


if __name__ == "__main__":
    main()
