"""The cost of a million or a hundred million images and of many GPUs: measured rates for a simple model.

    python -m benchmarks.scale

It prints the figures of docs/explanation/scale.md: the generator's rate on one core and its operations per image, the
time of a training step on one core, the amount of data that ranks exchange, and the time, memory and bytes of a
synthetic set's manifest. That document explains the model.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard
from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.trainer import GanTrainer, TrainSettings
from gan_aug.synthesis.sampler import BLOCK, sample

CLASSES = 10
SHARD = 4096


def best(work: Callable[[], object], times: int = 5) -> float:
    """The shortest time of `work`, in seconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def generation(size: int) -> None:
    """Print the cost of making an image with sides of `size` pixels."""
    generator = build_generator(NetworkSettings(shape=(1, size, size), classes=CLASSES)).eval()
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(512) % CLASSES]
    seconds = best(lambda: sample(generator, labels, seed=0)) / len(labels)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sample(generator, labels[:BLOCK], seed=0)
    flops = counter.get_total_flops() / BLOCK
    parameters = sum(p.numel() for p in generator.parameters())
    print(
        f"{size:4} px  one core makes {1 / seconds:8,.0f} images/s   {flops / 1e6:8,.1f} MFLOP an image "
        f"({flops / seconds / 1e9:,.0f} GFLOP/s)   {size * size} bytes   {parameters:,} parameters"
    )
    for count in (1e6, 1e8):
        hours, gigabytes = count * seconds / 3600, count * size * size / 1e9
        shards = count / SHARD
        print(f"         {count:9,.0e} images: {hours:10,.2f} core-hours, {gigabytes:10,.1f} GB, {shards:8,.0f} shards")


def training(size: int) -> None:
    """Print the cost of a training step on one core, and how much ranks exchange in it."""
    networks = NetworkSettings(shape=(1, size, size), classes=CLASSES)
    settings = TrainSettings(images=64 * 1000, loss="relativistic", penalty=1.0)
    images = torch.randint(0, 256, (settings.batch, *networks.shape), dtype=torch.uint8)
    labels = torch.eye(CLASSES)[torch.arange(settings.batch) % CLASSES]
    trainer = GanTrainer(networks, settings, lambda _, count: (images[:count], labels[:count]))
    trainer.step()
    steps = settings.penalty_every
    seconds = best(lambda: [trainer.step() for _ in range(steps)], 3) / steps
    parameters = sum(p.numel() for net in (trainer.generator, trainer.discriminator) for p in net.parameters())
    print(
        f"{size:4} px  one core: {seconds * 1e3:7.1f} ms a step of 64 ({64 / seconds:,.0f} images/s)   "
        f"ranks exchange {4 * parameters / 1e6:.2f} MB a step"
    )


def manifest(count: int) -> None:
    """Print the cost of the manifest of `count` synthetic images."""
    plan = tuple((k % CLASSES,) for k in range(count))
    shards = tuple(SyntheticShard(f"shard-{k:05}.npy", k * SHARD, SHARD, "0" * 64) for k in range(count // SHARD))
    names = tuple(str(k) for k in range(CLASSES))
    made = SyntheticManifest(names, "multi-class", (1, 28, 28), 0, "c" * 64, "d" * 64, (), plan, shards)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        saved = best(lambda: made.save(path), 1)
        loaded = best(lambda: SyntheticManifest.load(path), 1)
        size = path.stat().st_size
        tracemalloc.start()
        SyntheticManifest.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    print(f"manifest of {count:,}: {size / 1e6:.1f} MB, saved in {saved:.1f} s, loaded in {loaded:.1f} s")
    print(f"         {peak / 1e6:,.0f} MB of memory to load it")


def main() -> None:
    """Print all figures."""
    torch.set_num_threads(1)
    for size in (28, 64, 128):
        generation(size)
    for size in (28, 64):
        training(size)
    manifest(1_000_000)


if __name__ == "__main__":
    main()
