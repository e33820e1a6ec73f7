"""Points of the latent space: what an image is made from, and the points on the way from one image to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.gan.seeds import Purpose, image_noise

Floats = npt.NDArray[np.float32]

PARALLEL = 1e-6
"""If the sine of the angle between two latents is below this, they are interpolated along a straight line."""


@dataclass(frozen=True)
class Latent:
    """A point of the latent space: all on which an image depends, beside the checkpoint.

    Attributes:
        weights: A weight from 0 to 1 for each label. The images that the GAN was trained on have zeros and ones.
        seed: Of the noise.
        number: The image of that seed whose noise it is.
        toward: The seed and the number of another image, if the noise lies on the way to that one.
        position: How far it lies on that way, from 0 to 1.
        truncation: What the noise is multiplied with, from 0 to 1; see `truncated`.
    """

    weights: tuple[float, ...]
    seed: int
    number: int = 0
    toward: tuple[int, int] | None = None
    position: float = 0.0
    truncation: float = 1.0

    @property
    def is_sample(self) -> bool:
        """Whether it is an image of `sample` or of a synthetic set too: its labels are whole, its noise is of one."""
        return self.toward is None and set(self.weights) <= {0.0, 1.0}


def walk(start: Latent, end: Latent, positions: Iterable[float]) -> list[Latent]:
    """Points on the way from one image to another: labels and truncation in a straight line, noise along the sphere.

    Args:
        start: The noise must be that of one image.
        end: As `start`.
        positions: From 0, which gives `start`, to 1, which gives `end`.

    Returns:
        A point for each position.
    """
    moves = (start.seed, start.number) != (end.seed, end.number)
    return [_on_the_way(start, end, float(t), moves) for t in positions]


def _on_the_way(start: Latent, end: Latent, t: float, moves: bool) -> Latent:
    if t in (0.0, 1.0):
        return end if t else start
    return Latent(
        weights=tuple((1 - t) * a + t * b for a, b in zip(start.weights, end.weights, strict=True)),
        seed=start.seed,
        number=start.number,
        toward=(end.seed, end.number) if moves else None,
        position=t if moves else 0.0,
        truncation=(1 - t) * start.truncation + t * end.truncation,
    )


def noise_of(latents: Sequence[Latent], dimensions: int) -> Floats:
    """The noise `(N, dimensions) float32` of some points."""
    numbers: defaultdict[int, set[int]] = defaultdict(set)
    for latent in latents:
        numbers[latent.seed].add(latent.number)
        if latent.toward:
            numbers[latent.toward[0]].add(latent.toward[1])
    drawn: dict[tuple[int, int], Floats] = {}
    for seed, wanted in numbers.items():
        rows = image_noise(seed, Purpose.SYNTHESIS, sorted(wanted), dimensions)
        drawn |= {(seed, number): row for number, row in zip(sorted(wanted), rows, strict=True)}
    noise = np.empty((len(latents), dimensions), dtype=np.float32)
    for row, latent in zip(noise, latents, strict=True):
        row[:] = drawn[latent.seed, latent.number]
        if latent.toward:
            row[:] = between(row, drawn[latent.toward], [latent.position])[0]
        row[:] = truncated(row, latent.truncation)
    return noise


def weights_of(latents: Sequence[Latent]) -> Floats:
    """The labels `(N, K) float32` of some points."""
    return np.array([latent.weights for latent in latents], dtype=np.float32)


def truncated(noise: Floats, truncation: float) -> Floats:
    """The noise `(..., latent) float32` times `truncation`, from 0 to 1.

    Smaller values give more typical and less varied images; 1 leaves the noise as it is. This is the truncation of
    Karras et al. 2019 (arXiv 1812.04948, appendix B: w' = mean + truncation (w - mean)), applied to the generator's
    input, whose mean is zero.
    """
    return noise if truncation == 1 else (noise * np.float32(truncation)).astype(np.float32)


def between(start: Floats, end: Floats, positions: Sequence[float] | npt.NDArray[np.float64]) -> Floats:
    """Interpolate between the noise of two images.

    The interpolation is spherical (Shoemake 1985; for generators White 2016, arXiv 1609.04468): Gaussian noise of many
    dimensions lies near a sphere, and a straight line would leave it.

    Args:
        start: `(latent,) float32`.
        end: `(latent,) float32`.
        positions: From 0, which gives `start` to the bit, to 1, which gives `end`.

    Returns:
        `(len(positions), latent) float32`.
    """
    first, last = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths else 0.0
    t = np.asarray(positions, dtype=np.float64)[:, None]
    if np.sin(angle) < PARALLEL:
        mixed = (1 - t) * first + t * last
    else:
        mixed = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * last) / np.sin(angle)
    return mixed.astype(np.float32)
