"""The plan of a synthetic set: the label of each image, decided before the first image is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gan_aug.config.gan import SynthesisConfig
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError

Labels = tuple[int, ...]


def plan_labels(config: SynthesisConfig, manifest: Manifest) -> tuple[Labels, ...]:
    """The labels of image 0, 1, ... for the counts asked for, with the classes mixed evenly from start to end.

    If all counts are equal, a plan of more images begins with the plan of fewer. Raises ConfigError for a label that
    the data set does not have, or if no image is asked for.
    """
    return mixed(_counts(config, manifest))


def mixed(counts: Mapping[Labels, int]) -> tuple[Labels, ...]:
    """So many images of each combination of labels, mixed evenly; raises ConfigError if it is no image at all."""
    if not sum(counts.values()):
        raise ConfigError("synthesis.counts asks for no image at all: give a number above 0, or like-real")
    positions = [((j + 0.5) / count, labels) for labels, count in counts.items() for j in range(count)]
    return tuple(labels for _, labels in sorted(positions))


def _counts(config: SynthesisConfig, manifest: Manifest) -> dict[Labels, int]:
    if config.counts == "like-real":
        real = Counter(study.labels for study in manifest.studies if study.split == "train")
        return {labels: max(1, round(count * config.multiple)) for labels, count in sorted(real.items())}
    if isinstance(config.counts, int):
        return {(k,): config.counts for k in range(len(manifest.labels))}
    unknown = sorted(set(config.counts) - set(manifest.labels))
    if unknown:
        raise ConfigError(
            f"synthesis.counts.{unknown[0]}: {manifest.name} has no such label; it has {', '.join(manifest.labels)}"
        )
    return {(k,): config.counts.get(name, 0) for k, name in enumerate(manifest.labels)}
