"""scikit-learn's handwritten digits: 1,797 images of 8x8, at hand without any file."""

from __future__ import annotations

from functools import partial

import numpy as np

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Pixels, Source


def open_digits(config: DataConfig) -> Source:  # noqa: ARG001 - sources at hand open alike
    """The digits, grey values 0-16 scaled to 0-255; no splits, and no flips: a mirrored digit is another sign."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    items = tuple(
        Item(f"digits:{row}", (str(int(target)),), partial(_row, pixels, row)) for row, target in enumerate(targets)
    )
    return Source("digits", "multi-class", tuple("0123456789"), items, size=(8, 8), channels=1, on_leak="drop")


def _row(pixels: Pixels, row: int) -> Pixels:
    image: Pixels = pixels[row]
    return image
