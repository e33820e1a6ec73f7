"""The cost of a million or a hundred million images and of many GPUs: measured rates for a simple model.

    python -m benchmarks.scale [--only data] [--images 1000000]

It prints the figures of docs/explanation/scale.md: the generator's rate on one core and its operations per image, the
time of a training step on one core, the amount of data that ranks exchange, and the time, memory and bytes of a
synthetic set's manifest. That document explains the model. `--only data` prints what is measured of a data set of
`--images` images, in processor time: splits, manifest and what training asks of it. The reference of reading the
manifest is `json.loads` of the same file, which makes no study of it yet.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gan_aug.data.manifest import Manifest, Study
from gan_aug.data.splits.assign import Candidate, assign_splits
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


def data_set(count: int) -> None:
    """Print the cost of splitting `count` images of a third as many patients, and of their manifest."""
    rows = range(count)
    candidates = [Candidate(f"{k:064x}", (k // 3 % 2,), f"{k // 3:016x}", None, f"file {k}") for k in rows]
    start = time.process_time()
    assigned = assign_splits(candidates, validation=0.1, test=0.2, on_leak="error", seed=0, rule="strata")
    print(f"data set of {count:,}: split in {time.process_time() - start:.1f} s of processor time")
    studies = tuple(
        Study(one.content, one.labels, split, one.patient, one.origin)
        for one, split in zip(candidates, assigned.splits, strict=True)
        if split
    )
    made = Manifest("films", ("normal", "pneumonia"), "multi-class", (1, 64, 64), studies)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        start = time.process_time()
        made.save(path)
        print(f"  manifest of {path.stat().st_size / 1e6:,.0f} MB saved in {time.process_time() - start:.1f} s")
        del candidates, studies, made, assigned
        read_manifest(path)


def read_manifest(path: Path) -> None:
    """Print the time and memory that it takes to read a manifest, and to ask it what training asks."""
    before = rss()
    start = time.process_time()
    read = Manifest.load(path)
    loaded = time.process_time() - start
    held = rss() - before
    start = time.process_time()
    read.indices("train"), read.label_matrix(), read.counts()
    asked = time.process_time() - start
    del read
    content = path.read_bytes()
    start = time.process_time()
    json.loads(content)
    plain = time.process_time() - start
    print(
        f"  loaded in {loaded:.1f} s, {loaded / plain:.2f} of json.loads ({plain:.1f} s); {held / 1e6:,.0f} MB stay;",
        end="",
    )
    print(f" rows, labels and counts in {asked:.2f} s")


def rss() -> int:
    """The memory that this process holds now, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Print all figures, or those of a data set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["data"])
    parser.add_argument("--images", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.only:
        data_set(asked.images)
        return
    torch.set_num_threads(1)
    for size in (28, 64, 128):
        generation(size)
    for size in (28, 64):
        training(size)
    manifest(1_000_000)


if __name__ == "__main__":
    main()
