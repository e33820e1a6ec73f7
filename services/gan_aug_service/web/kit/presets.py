"""Presets: what to ask for when one does not want to choose each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from gan_aug.config.compare import ArmName
from gan_aug_service.web.kit import config_form

KEPT = ("data.", "seed", "compute.")
"""How the keys begin that a preset leaves as they are: which images, and where the work is done."""


@dataclass(frozen=True)
class Preset:
    """Values for some keys; the others get their defaults."""

    name: str
    title: str
    what: str
    values: dict[str, Any]


PRESETS = (
    Preset(
        "try",
        "Try it",
        "one short GAN and two seeds: shows that the data work, and proves nothing",
        {
            "train": {"images": 20_000},
            "classifier": {"steps": 300, "epochs": 5},
            "compare": {"arms": ["real", "synthetic", "mixed"], "seeds": 2, "gans": 1},
        },
    ),
    Preset("standard", "Standard", "every key at its default: three GANs and three seeds", {}),
    Preset(
        "thorough",
        "Thorough",
        "five GANs that train three times as long, five seeds and all arms: narrower intervals, for a result to keep",
        {
            "train": {"images": 600_000},
            "compare": {
                "arms": list(get_args(ArmName)),
                "seeds": 5,
                "gans": 5,
            },
        },
    ),
    Preset(
        "few",
        "Few images",
        "below 500 training images: the GAN sees augmented images, with five GANs and five seeds",
        {
            "gan": {"augment": "adaptive"},
            "compare": {
                "arms": ["real", "synthetic", "mixed", "duplicate", "classic", "classic+mixed"],
                "seeds": 5,
                "gans": 5,
            },
        },
    ),
)


def with_preset(texts: dict[str, list[str]], name: str) -> dict[str, list[str]]:
    """A form's fields with a preset in place of all but the keys that presets keep.

    Args:
        texts: The fields as they are.
        name: The preset; with an unknown one the fields stay as they are.

    Returns:
        The fields.
    """
    chosen = next((preset for preset in PRESETS if preset.name == name), None)
    if chosen is None:
        return texts
    kept = {path: sent for path, sent in texts.items() if path.startswith(KEPT)}
    return config_form.form_texts(chosen.values) | kept
