"""Randomness that belongs to an image, not to a process: a counter-based stream per (seed, purpose, image index)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Purpose(IntEnum):
    """What a stream is for, so that two uses of one seed share no numbers."""

    TRAINING = 1
    SYNTHESIS = 2
    PREVIEW = 3
    CALIBRATION = 4


def image_stream(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """The random stream of image `index`: Philox 4x64 (Salmon et al. 2011) keyed by seed and purpose."""
    key = np.array([seed, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64)))


def image_noise(seed: int, purpose: Purpose, indices: Iterable[int], latent: int) -> npt.NDArray[np.float32]:
    """Standard normal noise `(N, latent) float32`, row i the first numbers of `image_stream` at `indices[i]`."""
    where = list(indices)
    rows = np.empty((len(where), latent), dtype=np.float32)
    # One stream set to each image's place in turn: a new one per image costs five times as much.
    bits = np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64))
    stream, fresh = np.random.Generator(bits), bits.state
    for row, index in zip(rows, where, strict=True):
        fresh["state"]["counter"][2] = index
        bits.state = fresh
        stream.standard_normal(out=row, dtype=np.float32)
    return rows
