"""What is chosen by the number of training images, so that nobody needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Adaptive = Literal["adaptive"]


@dataclass(frozen=True)
class Preset:
    """What suits a training split of fewer than `below` images; None means any number.

    - `augment`: the value of gan.augment.
    """

    below: int | None
    augment: Adaptive | tuple[()]


PRESETS = (Preset(below=500, augment="adaptive"), Preset(below=None, augment=()))
"""Fewer images first. The figures behind it are in docs/decisions/0027-few-images.md."""


def preset_for(images: int) -> Preset:
    """The preset for this number of training images."""
    return next(preset for preset in PRESETS if preset.below is None or images < preset.below)
