"""What `generate` reads and prints of a further set."""

from __future__ import annotations

from typing import Any, Literal

from gan_aug import api
from gan_aug.errors import ConfigError
from gan_aug.run import layout


def parsed_counts(words: list[str]) -> Literal["like-real"] | int | dict[str, int]:
    """The counts that `--counts` gives, once or several times; raises ConfigError for what is no count."""
    if words in ([], ["like-real"]):
        return "like-real"
    if len(words) == 1 and words[0].isdecimal():
        return int(words[0])
    counts = {}
    for word in words:
        label, equals, number = word.rpartition("=")
        if not equals or not number.isdecimal():
            raise ConfigError(f"--counts {word}: write LABEL=N for each label, or N for all, or like-real")
        if label in counts:
            raise ConfigError(f"--counts {word}: the label {label!r} is named twice: name each once")
        counts[label] = int(number)
    return counts


def further_set(made: api.SyntheticSet, as_json: bool) -> Any:
    """What `generate` prints of a finished set: how many images of which labels, and where."""
    manifest = made.manifest
    if as_json:
        return {
            "out": str(made.folder),
            "images": len(manifest.image_labels),
            "counts": manifest.counts(),
            "seed": manifest.seed,
            "checkpoint": manifest.checkpoint,
            "fingerprint": manifest.fingerprint,
        }
    counts = ", ".join(f"{label} {count:,}" for label, count in manifest.counts().items())
    return (
        f"{len(manifest.image_labels):,} images in {made.folder} ({counts}; seed {manifest.seed}), by the checkpoint "
        f"{manifest.checkpoint}\nfingerprint {manifest.fingerprint}\npicture in {made.folder / layout.SET_PICTURE}"
    )
