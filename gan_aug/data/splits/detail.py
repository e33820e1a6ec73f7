"""The last step of the search for near copies: the fine detail of two images, which unrelated ones do not share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from gan_aug.data.splits.thumbnails import unit

MIN_CORRELATION = 0.999
"""The correlation of all pixels from which images count as copies, even if they have hardly any fine detail."""

PAIRS = 64
"""How many pairs are compared at a time; it bounds the memory."""

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class ImagesByRow(Protocol):
    """Images `(N, C, H, W) uint8` that are read by row: an array, or several one after the other."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their number, channels, height and width."""

    def __getitem__(self, rows: Rows, /) -> Images:
        """Copies of the images at `rows` `(B,) int64`."""


def are_copies(images: ImagesByRow, detail: Floats, whole: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs of `images` with these correlations, of their fine detail and as a whole, count as copies."""
    return (detail >= min_detail_correlation(min(images.shape[2:]))) | (whole >= MIN_CORRELATION)


def min_detail_correlation(side: int) -> float:
    """The correlation of fine detail from which images count as copies; higher for a small `side`, with less detail."""
    return float(np.interp(side, [28, 64], [0.975, 0.8]))


def correlations(images: ImagesByRow, first: Rows, second: Rows) -> tuple[Floats, Floats]:
    """The correlations of each pair of rows: of their fine detail, and of all their pixels."""
    detail, whole = np.zeros(len(first), dtype=np.float32), np.zeros(len(first), dtype=np.float32)
    for part in (slice(start, start + PAIRS) for start in range(0, len(first), PAIRS)):
        a, b = images[first[part]], images[second[part]]
        detail[part] = _detail_correlation(a, b)
        whole[part] = np.einsum("ij,ij->i", *(unit(pixels.reshape(len(pixels), -1)) for pixels in (a, b)))
    return detail, whole


def _detail_correlation(first: Images, second: Images) -> Floats:
    """The correlation of fine detail of each pair, the highest among shifts of up to an eighth of the shorter side."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    height, width = first.shape[2:]
    reach = max(1, min(height, width) // 8)
    # Padded by `reach`, as a shift would otherwise wrap around.
    size = (next_fast_len(height + reach, real=True), next_fast_len(width + reach, real=True))
    product = rfft2(_details(first), size) * np.conj(rfft2(_details(second), size))
    shifts: Floats = np.roll(irfft2(product, size), (reach, reach), axis=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
    best: Floats = shifts.max(axis=(1, 2))
    return best


def _details(images: Images) -> Floats:
    """The grey images minus their smooth part, faded out at the border and scaled to length 1, `(n, H, W)`."""
    from scipy.ndimage import gaussian_filter

    grey = images.mean(axis=1, dtype=np.float32)
    grey -= gaussian_filter(grey, (0, 2, 2))
    fade = [np.sqrt(np.hanning(side + 2)[1:-1]).astype(np.float32) for side in grey.shape[1:]]
    grey *= np.outer(*fade)
    return unit(grey.reshape(len(grey), -1)).reshape(grey.shape)
