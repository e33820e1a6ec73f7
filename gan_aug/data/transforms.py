"""Classic augmentation through MONAI: each image by its own random state, so that the order of work changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from monai.transforms import Compose  # noqa: TID251 - the door

DEGREES = 10.0
SHIFT = 0.05
ZOOM = (0.9, 1.1)
BRIGHTNESS = 0.1
CONTRAST = (0.8, 1.25)
NOISE = 0.02


class ClassicAugmentation:
    """Rotation, shift, zoom, brightness, contrast and noise; mirrorings only where the data set declares them harmless.

    Rotation to 10 degrees, shift to 5 % of a side, zoom 0.9 to 1.1, brightness to a tenth of the range, gamma 0.8 to
    1.25, noise of standard deviation 2 % of the range; each with probability one half.
    """

    def __init__(self, shape: tuple[int, int, int], flips: tuple[str, ...] = ()) -> None:
        """Build the pipeline for images `(C, H, W)`; `flips` are those of the manifest: horizontal, vertical."""
        self._compose = _pipeline(shape, flips)

    def __call__(self, images: npt.NDArray[np.uint8], seed: int, indices: Iterable[int]) -> npt.NDArray[np.uint8]:
        """Augmented copies of `images` `(N, C, H, W) uint8`; row i depends on `seed` and `indices[i]` alone."""
        made = np.empty_like(images)
        for row, (image, index) in enumerate(zip(images, indices, strict=True)):
            state = np.random.SeedSequence([seed, index]).generate_state(1)[0]
            self._compose.set_random_state(seed=int(state))
            scaled = image.astype(np.float32) / 255
            result = np.asarray(self._compose(scaled))
            made[row] = np.rint(result.clip(0, 1) * 255).astype(np.uint8)
        return made


def _pipeline(shape: tuple[int, int, int], flips: tuple[str, ...]) -> Compose:
    from monai.transforms import (  # noqa: TID251 - the door
        Compose,
        RandAdjustContrast,
        RandAffine,
        RandFlip,
        RandGaussianNoise,
        RandShiftIntensity,
    )

    _, height, width = shape
    geometry = RandAffine(
        prob=0.5,
        rotate_range=(np.deg2rad(DEGREES),),
        translate_range=(SHIFT * height, SHIFT * width),
        scale_range=(ZOOM[0] - 1, ZOOM[1] - 1),
        padding_mode="zeros",
        mode="bilinear",
    )
    axes = {"vertical": 0, "horizontal": 1}
    mirrors = [RandFlip(prob=0.5, spatial_axis=axes[flip]) for flip in flips]
    intensity = [
        RandShiftIntensity(offsets=BRIGHTNESS, prob=0.5),
        RandAdjustContrast(prob=0.5, gamma=CONTRAST),
        RandGaussianNoise(prob=0.5, std=NOISE),
    ]
    return Compose([geometry, *mirrors, *intensity])
