"""The card of an exported set: for people what it is and is not for, and the header in YAML that the hubs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gan_aug.version import __version__

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest

TITLE = "Synthetic images"

USE = (
    "Training classifiers of the same classes, beside real images or for want of them; teaching; trying out software. "
    "**Not** for diagnosis, **not** as the images that a classifier is tested on, and **not** to learn how frequent a "
    "disease is: the number of images of each label was chosen."
)
UNKNOWN_OF = (
    "- The licence. gan-aug does not know that of the real images, and gives the synthetic ones none: who passes them "
    "on states it here, and in `license` above.\n"
    "- Who the people in the real images are, how they were chosen, and what they agreed to."
)


@dataclass(frozen=True)
class Reading:
    """What a card says of a format's files.

    Attributes:
        files: The pattern of their names.
        text: What is in them.
        snippet: Python that reads them.
        typed: Whether the columns are those of `features`.
    """

    files: str
    text: str
    snippet: str
    typed: bool = False


def is_single(manifest: SyntheticManifest) -> bool:
    """Whether each image has exactly one label."""
    return manifest.task == "multi-class" and all(len(labels) == 1 for labels in manifest.image_labels)


def features(manifest: SyntheticManifest) -> dict[str, Any]:
    """The columns of a table of the images by name, as the library `datasets` describes them."""
    label = {"names": list(manifest.labels), "_type": "ClassLabel"}
    labels = {"label": label} if is_single(manifest) else {"labels": {"feature": label, "_type": "Sequence"}}
    return {"image": {"_type": "Image"}, **labels, "number": {"dtype": "int64", "_type": "Value"}}


def card(manifest: SyntheticManifest, reading: Reading, audited: str) -> str:
    """The card of a set, Markdown under a header in YAML.

    Args:
        manifest: The set's manifest.
        reading: What is said of the format's files.
        audited: What the privacy audit found, in sentences.

    Returns:
        The text.
    """
    import yaml

    header = yaml.safe_dump(_header(manifest, reading), allow_unicode=True, sort_keys=False)
    channels, height, width = manifest.shape
    counts = "\n".join(f"| {_cell(label)} | {count:,} |" for label, count in manifest.counts().items())
    colour = "grey" if channels == 1 else "RGB"
    return (
        f"---\n{header}---\n\n# {TITLE}\n\n"
        f"{len(manifest.image_labels):,} **synthetic** images of {width} x {height} pixels, {colour}. None is a "
        f"recording of a patient. {_origin(manifest)}\n\n| label | images |\n|---|---|\n{counts}\n\n"
        f"## Reading\n\n`{reading.files}`: {reading.text} `manifest.csv` has a row for each image, and "
        f"`sha256sum -c SHA256SUMS` checks all files.\n\n```python\n{reading.snippet}\n```\n\n"
        f"## Intended use\n\n{USE}\n\n## Privacy audit\n\n{audited}\n\n## Unknown\n\n{UNKNOWN_OF}\n"
    )


def _origin(manifest: SyntheticManifest) -> str:
    """Who made the images, from what."""
    from gan_aug.data.synthetic.shards import UNKNOWN

    if manifest.checkpoint == UNKNOWN:
        return (
            f"Another program made them; gan-aug {__version__} brought them into this form and knows no more of them."
        )
    seen = f"{manifest.seen:,} real images" if manifest.seen else "real images, of which the number was not recorded"
    return (
        f"A generator made them that was trained with gan-aug on {seen}: checkpoint `{manifest.checkpoint}`, seed "
        f"{manifest.seed}. Each image's own number stands beside it. gan-aug {__version__} wrote this form."
    )


def _header(manifest: SyntheticManifest, reading: Reading) -> dict[str, Any]:
    count = len(manifest.image_labels)
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    header: dict[str, Any] = {
        "pretty_name": TITLE,
        "license": "unknown",
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-classification"],
        "size_categories": [next((name for most, name in sizes if count < most), "1M<n<10M")],
        "tags": ["synthetic", "gan-aug"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": reading.files}]}],
    }
    if reading.typed:
        header["dataset_info"] = {"features": [_column(name, value) for name, value in features(manifest).items()]}
    return header


def _column(name: str, feature: dict[str, Any]) -> dict[str, Any]:
    """A column as the header describes it, which differs from how the files do."""
    kind = feature["_type"]
    if kind == "Sequence":
        return {"name": name, "sequence": _class_label(feature["feature"])}
    dtype = _class_label(feature) if kind == "ClassLabel" else feature.get("dtype", "image")
    return {"name": name, "dtype": dtype}


def _class_label(feature: dict[str, Any]) -> dict[str, Any]:
    return {"class_label": {"names": {str(k): name for k, name in enumerate(feature["names"])}}}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
