"""The search for near copies: by the index in all processes, beside a look at every pair of hashes in one.

    python -m benchmarks.near_copies [--images 100000] [--side 28] [--workers 2] [--part 1] [--sample 512]

The images are smooth random fields on a common one, with fine detail of their own. As many of them have hashes alike
as chest films (2 to 3 in 1,000 pairs). Every hundredth held-out image is a copy of a training image, brighter and moved
by a pixel. 70 % are for training, 10 % for validation and 20 % for the test, as in an import. The reference looks at
every pair of hashes, for a sample of the held-out images; its time is multiplied to that of all of them. What both find
is compared.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.compute.local.crash_safe_pool import CrashSafePool
from gan_aug.data.reading.reader import Reader
from gan_aug.data.splits import hash_index
from gan_aug.data.splits.near_duplicates import Pair, near_duplicates

BLOCK = 4096
WAVES, STRENGTH, FINE = 24, 0.7, 6.0


def fields(side: int) -> npt.NDArray[np.float32]:
    """The waves that all images are made of, `(WAVES, side, side) float32`, from coarse to fine."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(9).standard_normal((WAVES, side, side), dtype=np.float32)
    smooth = np.stack([gaussian_filter(one, side / w) for one, w in zip(noise, np.linspace(5, 24, WAVES), strict=True)])
    smooth *= np.linspace(1.5, 0.4, WAVES)[:, None, None] / smooth.std(axis=(1, 2), keepdims=True)
    return smooth.astype(np.float32)


def write_images(path: Path, count: int, side: int) -> None:
    """Write `count` images as raw bytes; every hundredth of the last 30 % is a copy of one of the first 70 %."""
    waves, held_out = fields(side), count * 7 // 10
    images = np.memmap(path, np.uint8, "w+", shape=(count, 1, side, side))
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng(start)
        number = min(BLOCK, count - start)
        shares = 1 + STRENGTH * rng.standard_normal((number, WAVES), dtype=np.float32)
        noise = rng.standard_normal((number, side + 1, side + 1), dtype=np.float32)
        fine = noise[:, 1:, 1:] + noise[:, 1:, :-1] + noise[:, :-1, 1:] + noise[:, :-1, :-1]  # of deviation 2
        made = 128 + 30 * np.tensordot(shares, waves, (1, 0)) + FINE / 2 * fine
        images[start : start + number, 0] = made.clip(0, 255)
    for row in range(held_out, count, 100):
        images[row] = np.roll(images[row - held_out] * 0.9 + 10, 1, axis=2)
    images.flush()


def search(
    images: npt.NDArray[np.uint8], train: npt.NDArray[np.int64], held_out: npt.NDArray[np.int64], workers: int
) -> tuple[list[Pair], float, float]:
    """The pairs that the index finds in `workers` processes, and the seconds and processor seconds that it takes."""
    before, start = processor_seconds(), time.perf_counter()
    with CrashSafePool(workers, 60) as pool:
        reader = Reader(pool)
        found = near_duplicates(images, train, held_out, spread=reader.map if workers > 1 else None)
    return found, time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """The processor time of this process and of those that it has ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--part", type=int, default=1, help="search for every so many-th held-out image")
    parser.add_argument("--sample", type=int, default=512, help="held-out images that the reference looks for")
    parser.add_argument("--folder", type=Path, help="where the images are written for the time of the run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "images"
        write_images(path, asked.images, asked.side)
        measure(np.memmap(path, np.uint8, "r", shape=(asked.images, 1, asked.side, asked.side)), asked)


def measure(images: npt.NDArray[np.uint8], asked: argparse.Namespace) -> None:
    """Print the figures of a search among `images`."""
    ends = len(images) * 7 // 10, len(images) * 8 // 10
    train, validation, test = np.split(np.arange(len(images)), ends)
    held_out = np.concatenate([validation, test])
    part = held_out[:: asked.part]
    _, _, before = search(images, train, part[:1], asked.workers)  # describes all training images
    found, seconds, processor = search(images, train, part, asked.workers)
    _, _, before_more = search(images, validation, test[:1], asked.workers)
    second, more, more_processor = search(images, validation, test[:: asked.part], asked.workers)
    pairs = {(pair.first, pair.second) for pair in (*found, *second)}
    planted = {(row - ends[0], row) for row in range(ends[0], len(images), 100) if (row - ends[0]) % asked.part == 0}
    print(f"{len(images):,} images of {images.shape[2]} px, {len(train):,} for training, {len(held_out):,} held out")
    print(f"  by the index in {asked.workers} processes, for one of {asked.part} held-out images: ", end="")
    print(f"{seconds + more:,.0f} s, {processor + more_processor:,.0f} s of processor time; ", end="")
    print(f"{len(planted & pairs):,} of {len(planted):,} copies found, {len(pairs - planted):,} others")
    each = (processor - before) / len(part)
    print(f"  {before:,.1f} s of processor time to begin, {each * 1e3:.2f} ms for each held-out image; ", end="")
    rest = before_more + (more_processor - before_more) * asked.part
    print(f"{before + each * len(held_out) + rest:,.0f} s for all, {rest:,.0f} s of them for test in validation")
    if asked.sample:
        compare(images, train, held_out, {pair.second: pair for pair in found}, asked)


def compare(
    images: npt.NDArray[np.uint8],
    train: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.int64],
    found: dict[int, Pair],
    asked: argparse.Namespace,
) -> None:
    """Print how long a look at every pair of hashes takes, and whether it finds the same.

    Args:
        images: All images.
        train: The rows of the training images.
        held_out: The rows of the others.
        found: What the index found, by the held-out image.
        asked: The options.
    """
    part = held_out[:: asked.part]
    sample = part[:: max(1, len(part) // asked.sample)]
    hash_index.FEWEST_INDEXED = len(images) + 1
    pairs: list[Pair] = []
    seconds = []
    for rows in (sample[:1], sample):
        before = time.process_time()
        pairs = near_duplicates(images, train, rows)
        seconds.append(time.process_time() - before)
    each = (seconds[1] - seconds[0]) / (len(sample) - 1)
    same = pairs == [found[row] for row in sample.tolist() if row in found]
    print(
        f"  by every pair of hashes: {each * 1e3:.2f} ms of processor time for each of {len(sample):,} images; ", end=""
    )
    print("both find the same" if same else "THEY FIND OTHER PAIRS")


if __name__ == "__main__":
    main()
