"""How fast Ray workers put a synthetic set on disk, beside the bare forward pass of as many processes.

    python -m benchmarks.ray_generation

The reference is the generator alone: as many processes as workers, one thread each, the same batch, in the same run,
before and after each set. Start-up is printed apart; the rate is from the first shard begun to the last one written.
Beside the rates stands the processor time of an image, which other work on the machine disturbs less. The memory is
what belongs to each process alone (RssAnon).
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
from gan_aug.gan.networks.dcgan import Generator
from gan_aug.gan.networks.settings import NetworkSettings
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
    """A shard with what the worker saw: its process, begin, end and processor time (seconds), its memory (MiB)."""

    shard: Any
    process: int
    begun: float
    ended: float
    processor: float
    memory: float


def measured(work: Callable[[Any, Any], Any], state: Any, item: Any) -> Answer:
    """The work, watched."""
    begun, processor = time.time(), time.process_time()
    shard = work(state, item)
    return Answer(shard, os.getpid(), begun, time.time(), time.process_time() - processor, rss())


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


def forward(path: Path, seconds: float) -> tuple[float, float]:
    """Images per second, and processor seconds an image, of the generator alone, on one thread, for about so long."""
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
    """What `forward` gives of several processes side by side: the sum of their rates, the mean of their times."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(forward, [path] * processes, [0.1] * processes))  # all are up
        rates, times = zip(*pool.map(forward, [path] * processes, [seconds] * processes), strict=True)
    return sum(rates), float(np.mean(times))


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
    """A round in one line."""
    begun, ended = min(answer.begun for answer in answers), max(answer.ended for answer in answers)
    rate, (bare_rate, bare_time) = images / (ended - begun), np.mean(alone, axis=0)
    processor = sum(answer.processor for answer in answers) / images
    return (
        f"on disk {rate:8,.0f} images/s, bare {bare_rate:8,.0f}: ratio {rate / bare_rate:.2f}; processor time of an "
        f"image {processor * 1e6:.1f} us, bare {bare_time * 1e6:.1f}: ratio {bare_time / processor:.2f}"
    )


if __name__ == "__main__":
    main()
