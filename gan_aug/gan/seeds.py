"""Randomness that belongs to an image, not to a process: a counter-based stream per (seed, purpose, image index)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Purpose(IntEnum):
    """What a stream is used for; two purposes share no random numbers, even with the same seed."""

    TRAINING = 1
    SYNTHESIS = 2
    PREVIEW = 3
    CALIBRATION = 4


def image_stream(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """The random stream of one image: Philox 4x64 (Salmon et al. 2011) keyed by seed and purpose.

    Args:
        seed: From 0 to 2^64 - 1.
        purpose: What the numbers are for.
        index: The image's index; it sets a part of the counter, so that streams of different images do not overlap.

    Returns:
        A generator at the start of the stream.
    """
    key = np.array([seed, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64)))


def image_noise(seed: int, purpose: Purpose, indices: Iterable[int], latent: int) -> npt.NDArray[np.float32]:
    """Standard normal noise of several images.

    Args:
        seed: See `image_stream`.
        purpose: See `image_stream`.
        indices: The images' indices.
        latent: How many numbers each image gets.

    Returns:
        `(N, latent) float32`; row i holds the first numbers of `image_stream(seed, purpose, indices[i])`.
    """
    return image_numbers(seed, purpose, indices, latent, 0)[0]


def image_numbers(
    seed: int, purpose: Purpose, indices: Iterable[int], latent: int, uniforms: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Standard normal noise of several images, and uniform numbers that follow it in each image's stream.

    Args:
        seed: See `image_stream`.
        purpose: See `image_stream`.
        indices: The images' indices.
        latent: How many standard normal numbers each image gets.
        uniforms: How many uniform numbers in [0, 1) it gets after them; with 0 none are drawn.

    Returns:
        `(N, latent)` and `(N, uniforms) float32`.
    """
    wanted = list(indices)
    noise = np.empty((len(wanted), latent), dtype=np.float32)
    uniform = np.empty((len(wanted), uniforms), dtype=np.float32)
    # One stream, set to the start of each image's stream in turn: a new stream per image costs five times as much.
    bits = np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64))
    stream, fresh = np.random.Generator(bits), bits.state
    for row, index in enumerate(wanted):
        fresh["state"]["counter"][2] = index
        bits.state = fresh
        stream.standard_normal(out=noise[row], dtype=np.float32)
        if uniforms:
            stream.random(out=uniform[row], dtype=np.float32)
    return noise, uniform
