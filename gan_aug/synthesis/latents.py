"""Changed noise: scaled towards the typical image, or interpolated from one image to another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

PARALLEL = 1e-6
"""If the sine of the angle between two latents is below this, they are interpolated along a straight line."""


def truncated(noise: Floats, truncation: float) -> Floats:
    """The noise `(N, latent) float32` times `truncation`, from 0 to 1.

    Smaller values give more typical and less varied images; 1 leaves the noise as it is. This is the truncation of
    Karras et al. 2019 (arXiv 1812.04948, appendix B: w' = mean + truncation (w - mean)), applied to the generator's
    input, whose mean is zero.
    """
    return noise if truncation == 1 else (noise * np.float32(truncation)).astype(np.float32)


def between(start: Floats, end: Floats, frames: int) -> Floats:
    """Interpolate between two latents.

    The interpolation is spherical (Shoemake 1985; for generators White 2016, arXiv 1609.04468): Gaussian noise of many
    dimensions lies near a sphere, and a straight line would leave it.

    Args:
        start: `(latent,) float32`.
        end: `(latent,) float32`.
        frames: How many latents, at least 2.

    Returns:
        `(frames, latent) float32`, from `start` to `end`, both bit-equal to what was given.
    """
    first, last = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths else 0.0
    t = np.linspace(0, 1, frames)[:, None]
    if np.sin(angle) < PARALLEL:
        mixed = (1 - t) * first + t * last
    else:
        mixed = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * last) / np.sin(angle)
    return mixed.astype(np.float32)
