"""Ceilings: the most that a request may ask for, of single keys and of what several keys come to together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from gan_aug.config import Config

KEYS: dict[str, float | None] = {
    "data.size": 1024,
    "data.dicom.max_pixels": 400_000_000,
    "data.seconds_per_file": 600,
    "data.folds": 100,
    "gan.width": 256,
    "gan.latent": 1024,
    "train.images": 50_000_000,
    "train.batch": 4096,
    "synthesis.counts": 1_000_000,
    "synthesis.multiple": 100,
    "synthesis.shard": 65_536,
    "classifier.steps": 1_000_000,
    "classifier.batch": 4096,
    "classifier.epochs": 1000,
    "compare.seeds": 100,
    "compare.gans": 20,
    "compare.ratio": 100,
    "compare.ratios": 100,
    "compare.draws": 20,
    "compare.curve_images": 50_000_000,
    "compute.cache": 100,
    "compute.retries": 10,
    "compute.wait": 3600,
}
"""The keys that have a ceiling, and what it is if the service's rules do not say."""

IMPORT = ("data.", "compute.")
TRAIN = (*IMPORT, "gan.", "train.", "compare.gans")
GENERATE = (*TRAIN, "synthesis.", "compare.ratio")
EVERY = ("",)
ASKED: dict[str, tuple[str, ...]] = {"import": IMPORT, "train": TRAIN, "generate": GENERATE, "audit": GENERATE}
"""For each verb, how the keys begin that it does something with; the other verbs use all."""


@dataclass(frozen=True)
class Total:
    """What several keys come to together: how much that is, and the key that a fault is shown beside."""

    default: float
    what: str
    key: str
    count: Callable[[Config], float]


def _gans(config: Config) -> int:
    return config.compare.gans_wanted + len(config.compare.sizes) * config.compare.draws


def _seen(config: Config) -> int:
    compare, train = config.compare, config.train
    curves = len(compare.sizes) * compare.draws * (compare.curve_images or train.images)
    return compare.gans_wanted * train.images * (1 + train.restarts) + curves


def _cells(config: Config) -> int:
    compare = config.compare
    searched = len(compare.ratios) * compare.seeds if compare.ratio == "search" else 0
    return len(compare.arms) * compare.seeds * (1 + len(compare.sizes) * compare.draws) + searched


def _steps(config: Config) -> int:
    return _cells(config) * (config.classifier.steps or 0)


def _made(config: Config) -> int:
    counts = config.synthesis.counts
    if isinstance(counts, str):
        return 0
    return config.compare.gans_wanted * (sum(counts.values()) if isinstance(counts, dict) else counts)


def _files(config: Config) -> float:
    train = config.train
    every = min(train.checkpoint_every, train.sample_every, train.score_every or train.checkpoint_every)
    return train.images / every


TOTALS = {
    "classifiers": Total(2000, "classifiers", "compare.seeds", _cells),
    "classifier_steps": Total(100_000_000, "steps of all classifiers", "classifier.steps", _steps),
    "gans": Total(100, "GANs", "compare.gans", _gans),
    "images_seen": Total(500_000_000, "images seen by all GANs", "train.images", _seen),
    "images_made": Total(10_000_000, "synthetic images of all GANs", "synthesis.counts", _made),
    "checkpoints": Total(10_000, "checkpoints, samples or scores of a GAN", "train.checkpoint_every", _files),
}
"""What is counted over several keys. `synthesis.counts` of one number for all labels is counted once."""


def above_ceilings(
    config: Config, verb: str, keys: Mapping[str, float | None], totals: Mapping[str, float | None], contact: str
) -> list[str]:
    """What a request asks for above the ceilings: a sentence for each key, empty if it keeps to all.

    Args:
        config: What is asked for.
        verb: The verb; keys that it does nothing with are not looked at.
        keys: The ceilings of keys.
        totals: The ceilings of totals.
        contact: Whom to ask for more.

    Returns:
        The sentences, each with its key first.
    """
    asked = ASKED.get(verb, EVERY)
    if verb in ASKED:  # only a comparison has learning curves
        config = config.model_copy(update={"compare": config.compare.model_copy(update={"sizes": ()})})
    ask = f"ask for less, or ask {contact}"
    found = []
    for key, ceiling in keys.items():
        if ceiling is None or not key.startswith(asked):
            continue
        over = [number for number in _numbers(attrgetter(key)(config)) if not number <= ceiling]  # also not a number
        if over:
            found.append(f"{key}: {_shown(max(over))} is above the ceiling of this service, {_shown(ceiling)}: {ask}")
    told = {sentence.partition(":")[0] for sentence in found}
    for name, total in TOTALS.items():
        ceiling = totals[name]
        if ceiling is None or not total.key.startswith(asked) or total.key in told:
            continue
        count = total.count(config)
        if not count <= ceiling:
            found.append(
                f"{total.key}: with the keys beside it this comes to {_shown(count)} {total.what}, above the ceiling "
                f"of this service, {_shown(ceiling)}: {ask}"
            )
    return found


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value; of a table also their sum."""
    if isinstance(value, dict):
        yield from (value.values() if len(value) < 2 else [*value.values(), sum(value.values())])
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _shown(number: float) -> str:
    return f"{number:,.15g}"
