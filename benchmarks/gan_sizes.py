"""What GAN training takes at each image size on this machine: images per second, and memory.

    python -m benchmarks.gan_sizes [--sizes 28 64 128 256] [--threads 2] [--set gan.network=resize ...]

Each size trains in a process of its own with the configuration's defaults, on random images of one channel and two
classes: two rounds of the penalty's steps to begin with, and two that are timed. The reference is the first size: the
last column is the time of an image, divided by the time of an image of that size. The memory is the largest resident
size of the process, with Python and its libraries.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

from gan_aug.config.request import read
from gan_aug.data.manifest import Manifest, Study
from gan_aug.gan.ranks import Ranks
from gan_aug.stages.train import build_trainer

GIB = 2**30


def measured(size: int, threads: int, overrides: list[str]) -> tuple[float, float]:
    """Images per second and the largest resident size in GiB; run in a new process, because memory only grows."""
    torch.set_num_threads(threads)
    config = read({"data": {"source": "digits"}}, ("train.images=1000000000", *overrides))
    images = np.random.default_rng(0).integers(0, 256, (256, 1, size, size), dtype=np.uint8)
    studies = tuple(Study(str(i), (i % 2,), "train", None, str(i)) for i in range(len(images)))
    manifest = Manifest("random", ("a", "b"), "multi-class", (1, size, size), studies)
    trainer = build_trainer(config.train_request, images, manifest, Ranks(), torch.device("cpu"))
    steps = 2 * config.gan.penalty_every
    for _ in range(steps):
        trainer.step()
    start = time.perf_counter()
    for _ in range(steps):
        trainer.step()
    rate = steps * trainer.settings.batch / (time.perf_counter() - start)
    return rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main() -> None:
    """Print a row for each size, as soon as it is measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64, 128, 256])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the config")
    asked = parser.parse_args()
    print("| px | images/s | minutes for 100,000 images | GiB | time of an image |\n|---|---|---|---|---|")
    first = None
    for size in asked.sizes:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            rate, memory = pool.submit(measured, size, asked.threads, asked.set).result()
        first = first or rate
        print(f"| {size} | {rate:,.1f} | {1e5 / rate / 60:,.0f} | {memory:.1f} | {first / rate:,.1f} |", flush=True)


if __name__ == "__main__":
    main()
