"""The word SYNTHETIC drawn into images, for people who see nothing but the pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gan_aug.errors import ConfigError

LETTERS = {
    "S": ("111", "100", "111", "001", "111"),
    "Y": ("101", "101", "010", "010", "010"),
    "N": ("111", "101", "101", "101", "101"),
    "T": ("111", "010", "010", "010", "010"),
    "H": ("101", "101", "111", "101", "101"),
    "E": ("111", "100", "111", "100", "111"),
    "I": ("111", "010", "010", "010", "111"),
    "C": ("111", "100", "100", "100", "111"),
}
"""Letters of 3 x 5 pixels."""

WORDS = ("SYNTHETIC", "SYN")
"""The first that fits is drawn."""

LEGIBLE = 64
"""Image widths in pixels for which each pixel of a letter is one pixel; it is two from twice as many on, and so on."""


def drawn_mark(height: int, width: int) -> npt.NDArray[np.uint8]:
    """The mark for images of this size: `(h, w) uint8`, white letters on black, to be set into the lower left corner.

    Raises ConfigError if even the short word is too large.
    """
    for word in WORDS:
        mark = _drawn(word)
        scale = max(1, width // LEGIBLE)
        while scale > 1 and not _fits(mark, scale, height, width):
            scale -= 1
        if _fits(mark, scale, height, width):
            return np.kron(mark, np.full((scale, scale), 255, np.uint8))
    raise ConfigError(
        f"dicom.mark: images of {height} x {width} pixels are too small to draw {WORDS[-1]} into: leave it out"
    )


def mark_images(images: npt.NDArray[np.uint8], mark: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Copies of `images` `(n, C, H, W)` with the mark in the lower left corner."""
    marked = images.copy()
    marked[..., -mark.shape[0] :, : mark.shape[1]] = mark
    return marked


def _fits(mark: npt.NDArray[np.uint8], scale: int, height: int, width: int) -> bool:
    """Whether the mark covers at most half of the height."""
    return bool(mark.shape[1] * scale <= width and 2 * mark.shape[0] * scale <= height)


def _drawn(word: str) -> npt.NDArray[np.uint8]:
    """A word as zeros and ones with a border of one pixel."""
    rows = ["0".join(LETTERS[letter][row] for letter in word) for row in range(5)]
    return np.pad(np.array([[int(bit) for bit in row] for row in rows], np.uint8), 1)
