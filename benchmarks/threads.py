"""The rate of GAN training by the number of threads that is chosen, on a quiet machine and beside other work.

    python -m benchmarks.threads [--seconds 10] [--rounds 3] [--size 28]

Each training is a process of its own, started as `gan-aug` starts one: its threads wait passively, and their number is
that of `threads_for(1)`. References, measured in the same run and in turns with it:

- quiet: the same number of threads that wait by spinning, as PyTorch does by default;
- two busy neighbours (loops in two further processes): the best rate of any number of threads;
- two trainings at once: twice the rate of one training with one thread, alone.

Rates are by the clock, so run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gan_aug.compute.cores import cores, threads_for, wait_passively

PASSIVE, SPINNING = "PASSIVE", "ACTIVE"


def train(size: int, threads: int, seconds: float) -> None:
    """Train the default networks on noise in this process, and print the threads and the images per second."""
    wait_passively()
    chosen = threads or threads_for(1)
    import numpy as np
    import torch

    from gan_aug.data.training_batches import TrainingBatches
    from gan_aug.gan.networks.settings import NetworkSettings
    from gan_aug.gan.trainer import GanTrainer, TrainSettings

    torch.set_num_threads(chosen)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 1, size, size), dtype=np.uint8)
    labels = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 1000)]
    batches = TrainingBatches(images, labels, np.arange(len(images)), seed=0)
    settings = TrainSettings(images=10**9, loss="relativistic", penalty=1.0)
    trainer = GanTrainer(NetworkSettings((1, size, size), 10, spectral=False), settings, batches)
    trainer.step()
    start, before = time.perf_counter(), trainer.images
    while time.perf_counter() - start < seconds:
        trainer.step()
    print(chosen, (trainer.images - before) / (time.perf_counter() - start))


def started(asked: argparse.Namespace, threads: int, wait: str = PASSIVE) -> subprocess.Popen[str]:
    """Start a training in a process; 0 threads means those that are chosen."""
    command = [sys.executable, "-m", "benchmarks.threads", "--train", str(threads)]
    options = ["--seconds", str(asked.seconds), "--size", str(asked.size)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    return subprocess.Popen(  # noqa: S603 - this script itself
        [*command, *options], env=environment | {"OMP_WAIT_POLICY": wait}, stdout=subprocess.PIPE, text=True
    )


def rate_of(process: subprocess.Popen[str]) -> tuple[int, float]:
    """The threads and the rate that a training prints at its end."""
    output, _ = process.communicate()
    threads, rate = output.split()
    return int(threads), float(rate)


@contextmanager
def neighbours() -> Iterator[None]:
    """Two processes that keep a core busy each."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    time.sleep(1)
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> None:
    """Print the three ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0, help="of each training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train is not None:
        train(asked.size, asked.train, asked.seconds)
        return
    quiet, busy, both = [], [], []
    for _ in range(asked.rounds):
        threads, ours = rate_of(started(asked, 0))
        quiet.append(ours / rate_of(started(asked, threads, SPINNING))[1])
        with neighbours():
            others = [rate_of(started(asked, count))[1] for count in range(1, cores() + 1)]
            beside, ours = rate_of(started(asked, 0))
        busy.append(ours / max(others))
        _, single = rate_of(started(asked, 1))
        first = started(asked, 0)
        time.sleep(3)  # the second one finds the first one at work
        pair = [rate_of(process) for process in (first, started(asked, 0))]
        both.append(sum(rate for _, rate in pair) / (2 * single))
        print(f"threads: {threads} alone, {beside} beside two busy processes, {pair[0][0]} and {pair[1][0]} at once")
    print(f"alone, against threads that spin            {statistics.median(quiet):5.2f}")
    print(f"beside two busy processes, against the best {statistics.median(busy):5.2f}")
    print(f"two at once, against two single ones        {statistics.median(both):5.2f}")


if __name__ == "__main__":
    main()
