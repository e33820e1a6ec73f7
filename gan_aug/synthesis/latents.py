"""Other noise than the plain draw: scaled towards the typical image, or on the way from one image to another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

PARALLEL = 1e-6
"""Sines below this are no angle to go along: the way is straight."""


def truncated(noise: Floats, truncation: float) -> Floats:
    """The noise `(N, latent) float32` times `truncation` in 0..1: less is more typical and less varied, 1 as drawn.

    It is the truncation of Karras et al. 2019 (arXiv 1812.04948, appendix B: w' = mean + truncation (w - mean)) on the
    generator's own input, whose mean is zero.
    """
    return noise if truncation == 1 else (noise * np.float32(truncation)).astype(np.float32)


def between(start: Floats, end: Floats, frames: int) -> Floats:
    """`frames` >= 2 latents `(frames, latent) float32` from `start` to `end` `(latent,)`, both included to the bit.

    Spherical interpolation (Shoemake 1985; for generators White 2016, arXiv 1609.04468): Gaussian noise of many
    dimensions lies near a sphere, which a straight way would leave.
    """
    first, last = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths else 0.0
    way = np.linspace(0, 1, frames)[:, None]
    if np.sin(angle) < PARALLEL:
        mixed = (1 - way) * first + way * last
    else:
        mixed = (np.sin((1 - way) * angle) * first + np.sin(way * angle) * last) / np.sin(angle)
    return mixed.astype(np.float32)
