"""The noise of an image: a counter-based stream for each seed and number, so that it depends on nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

SYNTHESIS = 2
"""The second half of the key: noise of images, as against that of the training."""


def image_noise(seed: int, numbers: Iterable[int], latent: int) -> npt.NDArray[np.float32]:
    """Standard normal noise `(N, latent) float32` of the images of these numbers.

    Each has a stream of its own: Philox 4x64 (Salmon et al. 2011) with the seed in its key and the number in its
    counter.
    """
    key = np.array([seed, SYNTHESIS], dtype=np.uint64)
    counters = (np.array([0, 0, number, 0], dtype=np.uint64) for number in numbers)
    streams = (np.random.Generator(np.random.Philox(key=key, counter=counter)) for counter in counters)
    rows = [stream.standard_normal(latent, dtype=np.float32) for stream in streams]
    return np.stack(rows) if rows else np.empty((0, latent), dtype=np.float32)
