"""The sizes of a network's levels: the image's, halved again and again.

Sizes are (height, width) in pixels, finest first: the first one is the image's, the last one the coarsest level's.
"""

from __future__ import annotations

Size = tuple[int, int]

SMALLEST, LARGEST = 3, 8
"""The range of the shorter side at the coarsest level, in pixels, if every size is halved exactly."""

LEAST = 16
"""The shortest side, in pixels, of images whose sizes are rounded up."""

COARSEST = 5
"""The longest that the shorter side is at the coarsest level, in pixels, if sizes are rounded up."""


def halved_exactly(size: Size) -> list[Size]:
    """The sizes until the shorter side has 3 to 8 pixels; the most that there can be.

    Raises ValueError naming the nearest sizes that fit if no number of halvings ends there.
    """
    fitting = [n for n in range(1, 9) if _fits(size, n)]
    if not fitting:
        unit = 2 ** max(1, (min(size) // 4).bit_length() - 1)
        up, down = ([max(unit * 3, -(-side // unit) * unit) for side in size], [side // unit * unit for side in size])
        near = " or ".join(f"{h}x{w}" for h, w in dict.fromkeys([tuple(down), tuple(up)]) if min(h, w) >= 3 * unit)
        other = ", or gan.network=resize, which takes any size" if min(size) >= LEAST else ""
        raise ValueError(
            f"a DCGAN cannot halve {size[0]}x{size[1]} pixels down to {SMALLEST} to {LARGEST}: use {near or '28x28'}"
            + other
        )
    return [(size[0] // 2**n, size[1] // 2**n) for n in range(fitting[-1] + 1)]


def halved_rounding_up(size: Size) -> list[Size]:
    """The sizes until the shorter side has 3 to 5 pixels; odd ones are rounded up.

    Raises ValueError if a side has less than 16 pixels.
    """
    if min(size) < LEAST:
        raise ValueError(
            f"{size[0]}x{size[1]} pixels are too few: use at least {LEAST} on each side, or gan.network=dcgan, which "
            "takes some smaller sizes"
        )
    sizes = [size]
    while min(sizes[-1]) > COARSEST:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def channels_of(width: int, sizes: list[Size]) -> list[int]:
    """Channels of each level below the image, finest first: they double from level to level, up to 8 times `width`."""
    return [width * min(2**level, 8) for level in range(len(sizes) - 1)]


def full_channels(width: int) -> int:
    """Channels at the image's own size, of networks that have a layer there: half of `width`, at least 4."""
    return max(4, width // 2)


def _fits(size: Size, n: int) -> bool:
    halved = all(side % 2**n == 0 for side in size)
    return halved and SMALLEST <= min(size) // 2**n <= LARGEST
