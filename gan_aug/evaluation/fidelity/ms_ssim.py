"""How similar the images of one class are: the multi-scale structural similarity (MS-SSIM) of random pairs.

MONAI's figures are the same to about 1e-5, as it computes in float32. It does not replace this file, because it refuses
four scales for images of 88 to 98 pixels: see docs/explanation/dependencies.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weights of the scales, finest first (Wang et al. 2003, section 3.2)."""

WINDOW = 11  # px
SIGMA = 1.5  # px, of the Gaussian in the window
PAIRS = 200
_BATCH = 64


@dataclass(frozen=True)
class Similarity:
    """The mean similarity of `pairs` pairs within one class, at most 1, with its standard error over the pairs."""

    value: float
    se: float
    pairs: int


def scales_of(height: int, width: int) -> int:
    """How many scales images of this size allow, at most 5: each halves the sides, the last must hold the window."""
    side, scales = min(height, width), 1
    while scales < len(WEIGHTS) and side // 2 >= WINDOW:
        side, scales = side // 2, scales + 1
    return scales


def window_of(height: int, width: int) -> int:
    """The side of the window in pixels: 11, or the largest odd number that fits into smaller images."""
    side = min(height, width, WINDOW)
    return side if side % 2 else side - 1


def ms_ssim(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The similarity `(P,)` in [0, 1] of each image of `first`, `(P, C, H, W) uint8`, to that of `second`.

    Wang, Simoncelli & Bovik 2003, *Multi-scale structural similarity for image quality assessment*, eq. 7, with
    K1 = 0.01, K2 = 0.03. Images that are too small for the paper's five scales (below 176 px) use the finest scales
    that fit, with weights divided by their sum. Structure below 0 counts as 0. Channels are averaged at each scale.
    """
    height, width = first.shape[2:]
    scales = scales_of(height, width)
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    kernel = _gaussian(window_of(height, width))
    x, y = (torch.from_numpy(images.astype(np.float64)) for images in (first, second))
    product = torch.ones(len(x), dtype=torch.float64)
    for scale, weight in enumerate(weights):
        luminance, structure = _compare(x, y, kernel)
        last = scale == scales - 1
        term = (luminance * structure if last else structure).mean(dim=(1, 2, 3))
        product *= term.clamp(min=0) ** float(weight)
        if not last:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    values: npt.NDArray[np.float64] = product.numpy()
    return values


def images_to_similarity(images: npt.NDArray[np.uint8], seed: int) -> Similarity | None:
    """The mean similarity of 200 random pairs of different images of `(N, C, H, W) uint8`; None for fewer than two.

    A generator that makes the same image again and again comes near 1 (Odena et al. 2017, arXiv 1610.09585). The usual
    value depends on the data, so compare it with that of real images of the class.
    """
    if len(images) < 2:
        return None
    generator = np.random.default_rng(seed)
    left = generator.integers(len(images), size=PAIRS)
    right = (left + generator.integers(1, len(images), size=PAIRS)) % len(images)
    values = np.concatenate(
        [ms_ssim(images[left[i : i + _BATCH]], images[right[i : i + _BATCH]]) for i in range(0, PAIRS, _BATCH)]
    )
    return Similarity(float(values.mean()), float(values.std(ddof=1) / np.sqrt(PAIRS)), PAIRS)


def _gaussian(window: int) -> torch.Tensor:
    """A Gaussian `(window,)` whose sum is 1."""
    values = torch.exp(-((torch.arange(window, dtype=torch.float64) - window // 2) ** 2) / (2 * SIGMA**2))
    return values / values.sum()


def _blur(images: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Images `(P, C, H, W)` averaged under the window, at all positions where it lies within the image."""
    flat = images.flatten(0, 1)[:, None]
    flat = F.conv2d(F.conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None])
    return flat.reshape(*images.shape[:2], *flat.shape[2:])


def _compare(x: torch.Tensor, y: torch.Tensor, kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Luminance and contrast-structure of images in [0, 255], at every position of the window."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blur(x, kernel), _blur(y, kernel)
    variances = _blur(x * x, kernel) - mean_x**2 + _blur(y * y, kernel) - mean_y**2
    covariance = _blur(x * y, kernel) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)
