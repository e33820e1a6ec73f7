"""The last step of the search for near copies: the fine detail of two images, which unrelated ones do not share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gan_aug.data.splits.thumbnails import unit

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def min_detail_correlation(side: int) -> float:
    """The correlation of fine detail from which images count as copies; higher for a small `side`, with less detail."""
    return float(np.interp(side, [28, 64], [0.975, 0.8]))


def detail_correlation(first: Images, second: Images) -> Floats:
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
