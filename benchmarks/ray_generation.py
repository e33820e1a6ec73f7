"""How fast Ray workers put a synthetic set on disk, beside the bare forward pass of as many processes.

    python benchmarks/ray_generation.py

The reference is the generator alone: as many processes as workers, one thread each, the same batch, in the same run,
once before and once after. Start-up is printed apart; the rate is from the first shard begun to the last one written.
The memory is what belongs to each process alone (RssAnon).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_aug.compute.cluster import RayExecutor, ray_executor
from gan_aug.config import ComputeConfig
from gan_aug.gan.networks import Generator, NetworkSettings
from gan_aug.gan.state import Checkpoint, TrainingData, load_generator, read_checkpoint, save_checkpoint
from gan_aug.gan.trainer import GanTrainer, TrainSettings
from gan_aug.synthesis.sampler import BLOCK
from gan_aug.synthesis.write import write_synthetic_set

CLASSES = 10
NETWORKS = NetworkSettings(shape=(1, 28, 28), classes=CLASSES)
"""The generator of configs/mnist.yaml."""


def rss() -> float:
    """The memory of this process alone, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@dataclass
class Answer:
    """A shard with what the worker saw: its process, when it began and ended (seconds), its memory (MiB)."""

    shard: Any
    process: int
    begun: float
    ended: float
    memory: float


def measured(work: Callable[[Any, Any], Any], state: Any, item: Any) -> Answer:
    """The work, watched."""
    begun = time.time()
    shard = work(state, item)
    return Answer(shard, os.getpid(), begun, time.time(), rss())


@dataclass
class Watching:
    """An executor that keeps what its workers saw."""

    executor: RayExecutor
    answers: list[Answer] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)

    def map(self, work: Callable[..., Any], items: Sequence[Any], **how: Any) -> Iterator[tuple[int, Any]]:
        """See Executor.map."""
        for index, answer in self.executor.map(partial(measured, work), items, **how):
            self.answers.append(answer)
            self.driver.append(rss())
            yield index, answer.shard


def forward(path: Path, seconds: float) -> float:
    """Images per second of the generator alone, on one thread, for about so many seconds."""
    torch.set_num_threads(1)
    generator: Generator = load_generator(read_checkpoint(path))
    noise = torch.randn(BLOCK, NETWORKS.latent)
    labels = torch.eye(CLASSES)[torch.arange(BLOCK) % CLASSES]
    made, begun = 0, time.perf_counter()
    with torch.no_grad():
        for _ in range(20):  # warm-up
            generator(noise, labels)
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            generator(noise, labels)
            made += BLOCK
    return made / (time.perf_counter() - begun)


def bare_rate(path: Path, processes: int, seconds: float) -> float:
    """Images per second of several processes that forward side by side."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(forward, [path] * processes, [0.1] * processes))  # all are up
        return sum(pool.map(forward, [path] * processes, [seconds] * processes))


def untrained(folder: Path) -> Checkpoint:
    """A checkpoint of fresh networks: rates do not depend on the weights."""
    labels = torch.eye(CLASSES)[torch.arange(BLOCK) % CLASSES]

    def batches(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        del first
        return torch.zeros(count, *NETWORKS.shape, dtype=torch.uint8), labels[torch.arange(count) % BLOCK]

    trainer = GanTrainer(NETWORKS, TrainSettings(images=BLOCK, batch=BLOCK), batches)
    names = tuple(str(k) for k in range(CLASSES))
    return save_checkpoint(folder, trainer, TrainingData(names, "multi-class", "0" * 64, ()))


def thirds(values: list[float]) -> str:
    """A memory at the start, in the middle and at the end."""
    return " -> ".join(f"{values[int(k * (len(values) - 1) / 2)]:.0f}" for k in range(3)) + " MiB"


def main() -> None:
    """Print start-up, rates, their ratio, and the memory of all processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each forward measurement")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-generation-") as name:
        folder = Path(name)
        checkpoint = untrained(folder / "checkpoints")
        plan = tuple((k % CLASSES,) for k in range(asked.images))
        before = bare_rate(checkpoint.path, asked.workers, asked.seconds)
        start = time.time()
        compute = ComputeConfig(workers=asked.workers, device="cpu")
        with ray_executor(compute, folder, lambda said: print(f"  {said}")) as executor:
            watching = Watching(executor)
            write_synthetic_set(checkpoint, plan, folder / "set", watching, seed=0, shard_size=asked.shard)
        after = bare_rate(checkpoint.path, asked.workers, asked.seconds)
    answers = watching.answers
    begun, ended = min(a.begun for a in answers), max(a.ended for a in answers)
    rate, bare = asked.images / (ended - begun), float(np.mean([before, after]))
    print(f"start of Ray and its workers      {begun - start:8.1f} s")
    print(f"{asked.workers} processes, forward alone      {bare:8,.0f} images/s  ({before:,.0f} and {after:,.0f})")
    print(f"{asked.workers} Ray workers, on disk          {rate:8,.0f} images/s  ({asked.images:,} images)")
    print(f"ratio                             {rate / bare:8.2f}")
    print(f"driver's memory      {thirds(watching.driver)}")
    for process in sorted({answer.process for answer in answers}):
        print(f"worker {process}'s memory {thirds([a.memory for a in answers if a.process == process])}")


if __name__ == "__main__":
    main()
