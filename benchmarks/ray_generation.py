"""The rate at which Ray workers write a synthetic set to disk, beside forward passes alone in as many processes.

    python -m benchmarks.ray_generation

The reference is the generator alone, before and after each set: as many processes as workers, one thread each, the same
batch size. The time to start is printed separately; the rate is counted from the start of the first shard to the end of
the last one. The processor time of an image is printed too, because other work on the machine affects it less. The
memory is the private memory of each process (RssAnon).
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

from gan_aug.compute.cluster.executor import RayExecutor, ray_executor
from gan_aug.config.compute import ComputeConfig
from gan_aug.gan.networks.base import Generator
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.state import Checkpoint, TrainingData, load_generator, read_checkpoint, save_checkpoint
from gan_aug.gan.trainer import GanTrainer, TrainSettings
from gan_aug.synthesis.sampler import BLOCK
from gan_aug.synthesis.write import write_synthetic_set

CLASSES = 10
NETWORKS = NetworkSettings(shape=(1, 28, 28), classes=CLASSES)
"""The generator of configs/mnist.yaml."""


def rss() -> float:
    """The private memory of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@dataclass
class Answer:
    """A shard with the worker's process id, start, end and processor time (seconds), and memory (MiB)."""

    shard: Any
    process: int
    begun: float
    ended: float
    processor: float
    memory: float


def measured(work: Callable[[Any, Any], Any], state: Any, item: Any) -> Answer:
    """Work on one item and measure it.

    Args:
        work: See Executor.map.
        state: The worker's state.
        item: The item.

    Returns:
        The result with its measurements.
    """
    begun, processor = time.time(), time.process_time()
    shard = work(state, item)
    return Answer(shard, os.getpid(), begun, time.time(), time.process_time() - processor, rss())


@dataclass
class Watching:
    """An executor that collects the measurements of its workers."""

    executor: RayExecutor
    answers: list[Answer] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)

    def map(self, work: Callable[..., Any], items: Sequence[Any], **how: Any) -> Iterator[tuple[int, Any]]:
        """See Executor.map."""
        for index, answer in self.executor.map(partial(measured, work), items, **how):
            self.answers.append(answer)
            self.driver.append(rss())
            yield index, answer.shard


def forward(path: Path, seconds: float) -> tuple[float, float]:
    """Images per second and processor seconds per image of the generator alone on one thread, for `seconds` seconds."""
    torch.set_num_threads(1)
    generator: Generator = load_generator(read_checkpoint(path))
    noise = torch.randn(BLOCK, NETWORKS.latent)
    labels = torch.eye(CLASSES)[torch.arange(BLOCK) % CLASSES]
    made = 0
    with torch.inference_mode():
        for _ in range(20):  # warm-up
            generator(noise, labels)
        begun, processor = time.perf_counter(), time.process_time()
        while time.perf_counter() - begun < seconds:
            generator(noise, labels)
            made += BLOCK
    return made / (time.perf_counter() - begun), (time.process_time() - processor) / made


def bare(path: Path, processes: int, seconds: float) -> tuple[float, float]:
    """Run `forward` in several processes at the same time.

    Args:
        path: The checkpoint.
        processes: How many processes.
        seconds: How long.

    Returns:
        The sum of their images per second, and the mean of their processor seconds per image.
    """
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(forward, [path] * processes, [0.1] * processes))  # all are up
        rates, times = zip(*pool.map(forward, [path] * processes, [seconds] * processes), strict=True)
    return sum(rates), float(np.mean(times))


def untrained(folder: Path) -> Checkpoint:
    """A checkpoint of untrained networks; the rates do not depend on the weights."""
    labels = torch.eye(CLASSES)[torch.arange(BLOCK) % CLASSES]

    def batches(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        del first
        return torch.zeros(count, *NETWORKS.shape, dtype=torch.uint8), labels[torch.arange(count) % BLOCK]

    trainer = GanTrainer(NETWORKS, TrainSettings(images=BLOCK, batch=BLOCK), batches)
    names = tuple(str(k) for k in range(CLASSES))
    return save_checkpoint(folder, trainer, TrainingData(names, "multi-class", "0" * 64, 0))


def thirds(values: list[float]) -> str:
    """The memory at the start, in the middle and at the end."""
    return " -> ".join(f"{values[int(k * (len(values) - 1) / 2)]:.0f}" for k in range(3)) + " MiB"


def main() -> None:
    """Print start-up, rates, their ratios, processor times, and the memory of all processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each forward measurement")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-generation-") as name:
        folder = Path(name)
        checkpoint = untrained(folder / "checkpoints")
        plan = tuple((k % CLASSES,) for k in range(asked.images))
        alone = [bare(checkpoint.path, asked.workers, asked.seconds)]
        start = time.time()
        compute = ComputeConfig(workers=asked.workers, device="cpu")
        with ray_executor(compute, folder, lambda said: print(f"  {said}")) as executor:
            print(f"{asked.workers} workers, {asked.images:,} images a set, beside {asked.workers} bare processes")
            for k in range(asked.rounds):
                watching = Watching(executor)
                write_synthetic_set(checkpoint, plan, folder / f"set{k}", watching, seed=k, shard_size=asked.shard)
                alone.append(bare(checkpoint.path, asked.workers, asked.seconds))
                if not k:
                    print(f"start of Ray and its workers: {min(a.begun for a in watching.answers) - start:.1f} s")
                print(shown(watching.answers, alone[-2:], asked.images))
    print(f"driver's memory      {thirds(watching.driver)}")
    for process in sorted({answer.process for answer in watching.answers}):
        print(f"worker {process}'s memory {thirds([a.memory for a in watching.answers if a.process == process])}")


def shown(answers: list[Answer], alone: list[tuple[float, float]], images: int) -> str:
    """One round as a line of text.

    Args:
        answers: The shards' measurements.
        alone: The rates and times of forward passes alone, before and after the round.
        images: How many images the set has.

    Returns:
        Rates, processor times and their ratios.
    """
    begun, ended = min(answer.begun for answer in answers), max(answer.ended for answer in answers)
    rate, (bare_rate, bare_time) = images / (ended - begun), np.mean(alone, axis=0)
    processor = sum(answer.processor for answer in answers) / images
    return (
        f"on disk {rate:8,.0f} images/s, bare {bare_rate:8,.0f}: ratio {rate / bare_rate:.2f}; processor time of an "
        f"image {processor * 1e6:.1f} us, bare {bare_time * 1e6:.1f}: ratio {bare_time / processor:.2f}"
    )


if __name__ == "__main__":
    main()
