"""What `generate` reads and prints of a further set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from gan_aug import api
from gan_aug.cli.progress import shown_progress
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


def set_of_bundle(bundle: Path, words: list[str], seed: int, out: Path | None) -> api.SyntheticSet:
    """Make a set with the generator in a bundle; raises ConfigError if it is not said how many images, or where to."""
    counts = parsed_counts(words)
    if isinstance(counts, str):
        raise ConfigError(
            "a bundle does not know how many real images there are of each label: give --counts N, or LABEL=N for each"
        )
    if out is None:
        raise ConfigError("--from needs --out, the folder of the new set")
    with shown_progress() as listener:
        return api.SyntheticSet.from_bundle(bundle, counts, out, seed=seed, progress=listener, stop_on_signals=True)


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
