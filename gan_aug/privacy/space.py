"""The features in which copies are looked for: whitened principal components of the training images' views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_aug.privacy.views import Variant, warp

DIMENSIONS = 64
IMAGES_PER_DIMENSION = 8
"""With fewer training images than this many for each dimension, fewer dimensions are kept."""

NOISE = 0.25
"""Added to each component's variance before whitening, in squared standard deviations of a pixel.

Components that vary no more than noise of half an image's contrast would otherwise be blown up until they hide a copy.
"""

FITTED = 5000
"""At most so many training images fit the components."""

_SEED, _ROUNDS, _SPARE = 0, 4, 16


@dataclass(frozen=True)
class Space:
    """Whitened components: `basis` `(D, P)` after the scaling, `mean` `(P,)`, for views of `shape`."""

    basis: Tensor
    mean: Tensor
    shape: tuple[int, int]

    def features(self, views: Tensor) -> Tensor:
        """The features `(N, D)` of views `(N, P)` as they are."""
        return (views - self.mean) @ self.basis.T

    def warped(self, variants: Sequence[Variant]) -> tuple[Tensor, Tensor]:
        """What gives the features of each variant of a view `x`: `bases[v] @ x - offsets[v]`.

        Returns bases `(V, D, P)` and offsets `(V, D)`.
        """
        basis = self.basis.double().numpy()
        bases = np.stack([(warp(variant, self.shape).T @ basis.T).T.astype(np.float32) for variant in variants])
        offset = (self.basis @ self.mean).expand(len(variants), -1)
        return torch.from_numpy(bases), offset


def fit_space(views: Tensor, shape: tuple[int, int]) -> Space:
    """The components of views `(N, P)`, by randomised subspace iteration (arXiv 0909.4061, algorithm 4.4).

    At most DIMENSIONS, and no more than the number of images allows.
    """
    mean = views.mean(0)
    centred = views - mean
    wanted = max(1, min(DIMENSIONS, len(views) // IMAGES_PER_DIMENSION, views.shape[1]))
    width = min(wanted + _SPARE, *centred.shape)
    start = np.random.default_rng(_SEED).standard_normal((centred.shape[1], width)).astype(np.float32)
    directions, _ = torch.linalg.qr(torch.from_numpy(start))
    for _ in range(_ROUNDS):
        directions, _ = torch.linalg.qr(centred.T @ (centred @ directions))
    _, spread, rotation = torch.linalg.svd(centred @ directions, full_matrices=False)
    components = (rotation @ directions.T)[:wanted]
    variance = spread[:wanted] ** 2 / max(1, len(views) - 1)
    return Space(components / (variance + NOISE).sqrt()[:, None], mean, shape)
