"""How often the privacy audit finds planted copies and refuses honest sets, and how long it takes.

    python -m benchmarks.audit RUN [--trials 20] [--copies 25] [--images 1000] [--speed 20000]

RUN is a run folder with imported images; films at 64 px are what it was made for (`gan-aug import
configs/chest-films.yaml --set data.size=64`). Half of the training patients, drawn anew by `--seed`, are the training
images of the audit; the others are honest images. For each kind of change, in each trial:

- `flagged`: the share of altered copies of training images that are like a copy, by their ratio or by the search for
  near duplicates (should be at least 90 %),
- `pure`: how often a set of such copies alone is refused (should be always),
- `1 %`: how often a set of honest images with 1 % of such copies is refused (should be always).

Honest sets are real images of the other patients, and samples of a Gaussian on principal components of the training
images (at most 1 of 20 should be refused). A decoder that was fitted to 50 training images, each from a latent of its
own, is a model that memorised. The last lines are the time and memory of a large audit.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

from gan_aug.compute.cores import cores
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.near_duplicates import near_duplicates
from gan_aug.evaluation.held_out_copies import Joined
from gan_aug.privacy.audit import Audit

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

MEMORISED, STEPS = 50, 400


def altered(images: Floats, others: Floats, chance: np.random.Generator) -> dict[str, Floats]:
    """Copies of images, by the kind of change; `others` are mixed into them. Values are grey, from 0 to 255."""
    side = images.shape[-1]
    turned = [
        ndimage.rotate(image, angle, axes=(1, 2), reshape=False, order=1, mode="nearest")
        for image, angle in zip(images, chance.uniform(-5, 5, len(images)), strict=True)
    ]
    moves = chance.uniform(-3, 3, (len(images), 2)) * side / 64
    moved = [
        ndimage.shift(image, (0, *move), order=1, mode="nearest") for image, move in zip(images, moves, strict=True)
    ]
    light = chance.uniform(0.8, 1.2, (len(images), 1, 1, 1))
    return {
        "same": images,
        "noise 5 %": images + 0.05 * 255 * chance.standard_normal(images.shape),
        "noise 10 %": images + 0.1 * 255 * chance.standard_normal(images.shape),
        "shift up to 3/64": np.stack(moved),
        "mirrored": images[..., ::-1],
        "brightness 0.8 to 1.2": images * light,
        "rotation up to 5": np.stack(turned),
        "mix 0.7": 0.7 * images + 0.3 * others,
    }


def to_images(values: Floats) -> Images:
    """Values as images."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def is_refused(audit: Audit, ratio: Floats) -> bool:
    """Whether a set with these ratios is refused for its copies."""
    below = int((ratio < audit.limits.like_a_copy).sum())
    return below > audit.limits.most(len(ratio)) or bool((ratio < audit.limits.copy).any())


def seen(audit: Audit, images: Images, copies: Images) -> Floats:
    """The ratios of some copies; just below the limit for like a copy if the search for near duplicates finds them."""
    ratio = audit.copies.measure(copies, np.arange(len(copies))).ratio
    pairs = near_duplicates(Joined(images, copies), audit.rows, np.arange(len(copies)) + len(images))
    found = sorted({pair.second - len(images) for pair in pairs})
    ratio[found] = np.minimum(ratio[found], 0.999 * audit.limits.like_a_copy)
    return ratio


def gaussian(training: Images, count: int, chance: np.random.Generator) -> Images:
    """Samples of a Gaussian on the principal components of some training images."""
    rows = training[: min(1000, len(training))].reshape(-1, training[0].size).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    _, spread, components = np.linalg.svd(centred, full_matrices=False)
    kept = min(100, len(spread))
    weights = chance.standard_normal((count, kept)) * spread[:kept] / np.sqrt(len(rows))
    return to_images((rows.mean(axis=0) + weights @ components[:kept]).reshape(count, *training.shape[1:]))


def memorised(images: Images, count: int, chance: np.random.Generator) -> Images:
    """Samples of a decoder that was fitted to a few images, each from a latent of its own."""
    torch.manual_seed(int(chance.integers(2**31)))
    channels, side = images.shape[1], images.shape[2]
    first = side // 8
    decoder = nn.Sequential(
        nn.Linear(64, 64 * first * first), nn.Unflatten(1, (64, first, first)),
        *(layer for wide in (64, 48, 32) for layer in (
            nn.Upsample(scale_factor=2), nn.LazyConv2d(wide, 3, padding=1), nn.LeakyReLU(0.2))),
        nn.LazyConv2d(channels, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    latents, wanted = torch.randn(len(images), 64), torch.from_numpy(images).float() / 255
    decoder(latents[:1])
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    for _ in range(STEPS):
        loss = ((decoder(latents) - wanted) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    chosen = chance.integers(len(images), size=count)
    with torch.inference_mode():
        made = decoder(latents[chosen] + 0.1 * torch.randn(count, 64))
    return to_images(255 * made.double().numpy())


def halved(manifest: Manifest, chance: np.random.Generator) -> tuple[Manifest, npt.NDArray[np.int64]]:
    """The data set with half of its training patients, and the images of the others, which count as never seen."""
    rows = manifest.indices("train")
    patients = np.array([manifest.studies[row].patient or f"image {row}" for row in rows])
    known = np.unique(patients)
    kept = set(chance.permutation(known)[: len(known) // 2].tolist())
    away = [int(row) for row, patient in zip(rows, patients, strict=True) if patient not in kept]
    studies = list(manifest.studies)
    for row in away:
        studies[row] = replace(studies[row], split="unused")
    return replace(manifest, studies=tuple(studies)), np.array(away)


def trials(audit: Audit, images: Images, away: npt.NDArray[np.int64], options: argparse.Namespace) -> Iterator[str]:
    """A line for each kind of copies and of honest sets."""
    chance = np.random.default_rng(options.seed)
    honest = audit.copies.measure(images, away).ratio
    found: dict[str, list[tuple[float, bool, bool]]] = {}
    real = []
    for _ in range(options.trials):
        chosen, others = chance.permutation(audit.rows)[: options.copies], chance.permutation(audit.rows)
        mixed_in = others[~np.isin(others, chosen)][: options.copies]
        draw = chance.permutation(honest)[: options.images]
        real.append(is_refused(audit, draw))
        copies = altered(images[chosen].astype(np.float64), images[mixed_in].astype(np.float64), chance)
        for kind, values in copies.items():
            ratio = seen(audit, images, to_images(values))
            planted = draw.copy()
            few = max(1, len(draw) // 100)
            planted[:few] = np.resize(ratio, few)
            flagged = float((ratio < audit.limits.like_a_copy).mean())
            found.setdefault(kind, []).append((flagged, is_refused(audit, ratio), is_refused(audit, planted)))
    for kind, rows in found.items():
        flagged, pure, part = np.array(rows, dtype=float).mean(axis=0)
        yield f"{kind:24} flagged {flagged:6.1%}   refused: pure {pure:6.1%}   1 % {part:6.1%}"
    below = (honest < audit.limits.like_a_copy).mean()
    yield f"{'real, other patients':24} refused {np.mean(real):6.1%}   (below {below:.2%}, least {honest.min():.2f})"
    drawn = [gaussian(images[audit.rows], options.images // 4, chance) for _ in range(min(5, options.trials))]
    ratios = [audit.copies.measure(one, np.arange(len(one))).ratio for one in drawn]
    refused, least = np.mean([is_refused(audit, one) for one in ratios]), min(one.min() for one in ratios)
    yield f"{'Gaussian':24} refused {refused:6.1%}   (least {least:.2f})"
    films = images[chance.permutation(audit.rows)[:MEMORISED]]
    ratio = audit.copies.measure(memorised(films, 200, chance), np.arange(200)).ratio
    flagged = (ratio < audit.limits.like_a_copy).mean()
    yield f"{'memorised 50':24} flagged {flagged:6.1%}   refused: {is_refused(audit, ratio)}"


def timed(build: Callable[[], Audit], images: Images, rows: npt.NDArray[np.int64], count: int) -> Iterator[str]:
    """The time and the memory of an audit of so many images."""
    sample = gaussian(images[rows], min(count, 500), np.random.default_rng(0))
    many = np.resize(sample, (count, *images.shape[1:]))
    wall, spent = time.perf_counter(), time.process_time()
    audit = build()
    middle = time.process_time()
    audit(many, np.zeros((count, len(audit.manifest.labels)), dtype=np.float32))
    spent, before, wall = time.process_time() - spent, middle - spent, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield (
        f"{count:,} images against {len(rows):,}: {spent:.0f} s of processor time ({before:.0f} for what is usual), "
        f"{wall:.0f} s on {cores()} cores; at most {memory:.2f} GiB with the images ({many.nbytes / 2**30:.2f})"
    )


def main() -> None:
    """Run the benchmark and print its lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    for name, default in (("trials", 20), ("copies", 25), ("images", 1000), ("speed", 20_000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    manifest = Manifest.load(options.run / "dataset" / "manifest.json")
    images = open_images(options.run / "dataset", manifest)
    torch.set_num_threads(cores())
    if options.trials:
        half, away = halved(manifest, np.random.default_rng(options.seed))
        audit = Audit(half, images)
        limits = audit.limits
        print(
            f"{len(audit.rows):,} training images of {len(np.unique(audit.patients)):,} patients; by chance: least "
            f"{limits.least:.3f}, like a copy below {limits.like_a_copy:.3f}, a copy below {limits.copy:.3f}; "
            f"at most {limits.most(options.images)} of {options.images:,}"
        )
        for line in trials(audit, images, away, options):
            print(line, flush=True)
    if options.speed:
        for line in timed(lambda: Audit(manifest, images), images, manifest.indices("train"), options.speed):
            print(line)


if __name__ == "__main__":
    main()
