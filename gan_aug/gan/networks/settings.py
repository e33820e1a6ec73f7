"""What the networks are built from: image shape, classes, widths."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST, LARGEST = 3, 8
"""The range of the shorter side at the coarsest level, in pixels."""


@dataclass(frozen=True)
class NetworkSettings:
    """What both networks are built from.

    - `shape`: of the images, `(C, H, W)`.
    - `classes`: the number of labels, K.
    - `width`: channels at the finest level.
    - `latent`: dimensions of the noise.
    - `spectral`: whether every layer of D has spectral norm (Miyato et al. 2018, arXiv 1802.05957).
    """

    shape: tuple[int, int, int]
    classes: int
    width: int = 16
    latent: int = 64
    spectral: bool = True

    def __post_init__(self) -> None:
        """Check the image size; raises ValueError naming the nearest sizes that fit."""
        levels(self.shape[1:])

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the coarsest level, in pixels."""
        scale = 2 ** levels(self.shape[1:])
        return self.shape[1] // scale, self.shape[2] // scale

    @property
    def channels(self) -> list[int]:
        """Channels of each level, finest first: they double from level to level, up to 8 times the width."""
        return [self.width * min(2**level, 8) for level in range(levels(self.shape[1:]))]


def levels(size: tuple[int, int]) -> int:
    """How often `size` (height, width) is halved until the shorter side has 3 to 8 pixels.

    If several numbers of halvings end there, it is the largest. Raises ValueError naming the nearest sizes that fit if
    no number does.
    """
    fitting = [n for n in range(1, 9) if _fits(size, n)]
    if not fitting:
        unit = 2 ** max(1, (min(size) // 4).bit_length() - 1)
        up, down = ([max(unit * 3, -(-side // unit) * unit) for side in size], [side // unit * unit for side in size])
        near = " or ".join(f"{h}x{w}" for h, w in dict.fromkeys([tuple(down), tuple(up)]) if min(h, w) >= 3 * unit)
        raise ValueError(
            f"a DCGAN cannot halve {size[0]}x{size[1]} pixels down to {SMALLEST} to {LARGEST}: use {near or '28x28'}"
        )
    return fitting[-1]


def _fits(size: tuple[int, int], n: int) -> bool:
    halved = all(side % 2**n == 0 for side in size)
    return halved and SMALLEST <= min(size) // 2**n <= LARGEST
