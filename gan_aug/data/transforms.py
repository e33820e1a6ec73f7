"""Classic augmentation as by MONAI, a batch at a time; what happens to an image depends on a seed and its index alone.

MONAI itself is not used: to import it takes seconds, in each worker. Tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

PROBABILITY = 0.5
"""The probability of each of the six changes."""

DEGREES = 10.0
"""The largest rotation."""

SHIFT = 0.05
"""The largest shift, as a share of the side."""

ZOOM = (0.9, 1.1)
"""The range of the zoom, of each side by itself."""

BRIGHTNESS = 0.1
"""The largest change of brightness, as a share of the grey range."""

CONTRAST = (0.8, 1.25)
"""The range of gamma."""

NOISE = 0.02
"""The standard deviation of the noise, as a share of the grey range."""

_PURPOSE = 0x434C4153  # keeps these streams apart from others of the same seed
_CHANGES = 6  # geometry, two mirrorings, brightness, contrast, noise


@dataclass(frozen=True)
class Draws:
    """What happens to each of N images; a change that does not happen has its neutral value.

    Attributes:
        angles: Rotations in radians, `(N,)`.
        shifts: Shifts in pixels, down and to the right, `(N, 2)`.
        zooms: Factors of height and width, `(N, 2)`.
        vertical: Which images are mirrored top to bottom, `(N,)`.
        horizontal: Which images are mirrored left to right, `(N,)`.
        offsets: Changes of brightness, `(N,)`; the grey range is 1.
        gammas: Exponents of the contrast change, `(N,)`.
        noise: Values to add, `(N, C, H, W)`; the grey range is 1.
    """

    angles: npt.NDArray[np.float64]
    shifts: npt.NDArray[np.float64]
    zooms: npt.NDArray[np.float64]
    vertical: npt.NDArray[np.bool_]
    horizontal: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.float64]
    gammas: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float32]


class ClassicAugmentation:
    """Rotation, shift, zoom, brightness, contrast and noise; mirroring only if the data set declares it harmless.

    Rotation by up to 10 degrees, shift by up to 5 % of a side and zoom by 0.9 to 1.1 happen together. Brightness
    changes by up to a tenth of the range, gamma is 0.8 to 1.25, and the noise has a standard deviation of 2 % of the
    range. Each change happens with probability one half. The geometry equals MONAI's AffineTransform to the bit. The
    results equal those of MONAI's transforms of single images, which take ten times as long.
    """

    def __init__(self, shape: tuple[int, int, int], flips: tuple[str, ...] = ()) -> None:
        """Prepare for images of `shape` `(C, H, W)`; `flips` are the manifest's: `horizontal`, `vertical`."""
        self._shape = shape
        self._flips = flips

    def __call__(self, images: npt.NDArray[np.uint8], seed: int, indices: Iterable[int]) -> npt.NDArray[np.uint8]:
        """Augmented copies of the images.

        Args:
            images: `(N, C, H, W) uint8`.
            seed: The seed of the random streams.
            indices: The index of each image, N of them. Copy i depends on `images[i]`, `seed` and `indices[i]` alone.

        Returns:
            The copies, `(N, C, H, W) uint8`.
        """
        drawn = self.draw(seed, indices)
        mirrored = images.copy()
        mirrored[drawn.vertical] = mirrored[drawn.vertical, :, ::-1]
        mirrored[drawn.horizontal] = mirrored[drawn.horizontal, :, :, ::-1]
        values = torch.from_numpy(mirrored).float() / 255
        with torch.no_grad():
            values = moved(values, torch.from_numpy(matrices(drawn, images.shape[2:])).float())
        values = _contrasted(values + _column(drawn.offsets), _column(drawn.gammas))
        values += torch.from_numpy(drawn.noise)
        made: npt.NDArray[np.uint8] = values.clamp_(0, 1).mul_(255).round_().to(torch.uint8).numpy()
        return made

    def draw(self, seed: int, indices: Iterable[int]) -> Draws:
        """What happens to each image of `indices`, from a random stream of its own.

        The streams are those of Philox 4x64 (Salmon et al. 2011).
        """
        streams = [_stream(seed, index) for index in indices]
        count, (_, height, width) = len(streams), self._shape
        chances, uniform = np.ones((count, _CHANGES)), np.empty((count, 7))
        noise = np.zeros((count, *self._shape), dtype=np.float32)
        for row, stream in enumerate(streams):
            chances[row], uniform[row] = stream.random(_CHANGES), stream.random(7)
            if chances[row, 5] < PROBABILITY:
                noise[row] = stream.standard_normal(self._shape, dtype=np.float32) * np.float32(NOISE)
        applies = chances < PROBABILITY
        signed = 2 * uniform - 1
        placed = applies[:, 0]
        return Draws(
            angles=np.where(placed, np.deg2rad(DEGREES) * signed[:, 0], 0),
            shifts=np.where(placed[:, None], SHIFT * np.array([height, width]) * signed[:, 1:3], 0),
            zooms=np.where(placed[:, None], ZOOM[0] + (ZOOM[1] - ZOOM[0]) * uniform[:, 3:5], 1),
            vertical=applies[:, 1] & ("vertical" in self._flips),
            horizontal=applies[:, 2] & ("horizontal" in self._flips),
            offsets=np.where(applies[:, 3], BRIGHTNESS * signed[:, 5], 0),
            gammas=np.where(applies[:, 4], CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * uniform[:, 6], 1),
            noise=noise,
        )


def matrices(drawn: Draws, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The affine maps `(N, 3, 3)` from the (row, column) of an output pixel to that of its input pixel.

    They rotate, shift and zoom images of `size` (H, W) about the centre, in MONAI's order.
    """
    centre = (np.array(size) - 1) / 2
    made = np.zeros((len(drawn.angles), 3, 3))
    cosine, sine = np.cos(drawn.angles), np.sin(drawn.angles)
    rotation = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    made[:, :2, :2] = rotation * drawn.zooms[:, None, :]
    made[:, :2, 2] = (rotation @ drawn.shifts[:, :, None])[:, :, 0] + centre - made[:, :2, :2] @ centre
    made[:, 2, 2] = 1
    return made


def moved(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """The images `(N, C, H, W) float32`, interpolated linearly at the pixels that `maps` `(N, 3, 3)` name.

    The maps are those of `matrices`. Pixels from outside are 0. The operations are those of MONAI's AffineTransform.
    """
    unit = torch.diag(torch.tensor([*(2.0 / side for side in images.shape[2:]), 1.0], dtype=torch.float64))
    unit[:2, 2] = torch.tensor([1.0 / side - 1.0 for side in images.shape[2:]], dtype=torch.float64)
    unit = unit.float()  # from pixels to -1 to 1, the outer edges of the first and of the last pixel
    maps = unit[None] @ maps @ torch.from_numpy(np.linalg.inv(unit[None].numpy()))
    maps[:, :2] = maps[:, [1, 0]]  # PyTorch wants (column, row)
    maps[:, :, :2] = maps[:, :, [1, 0]]
    grid = torch.nn.functional.affine_grid(maps[:, :2], list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images.contiguous(), grid, align_corners=False)


def _stream(seed: int, index: int) -> np.random.Generator:
    key = np.array([seed, _PURPOSE], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, index, 0], dtype=np.uint64)))


def _column(values: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values).float()[:, None, None, None]


def _contrasted(values: torch.Tensor, gammas: torch.Tensor) -> torch.Tensor:
    """Gamma over each image's own range, as in MONAI's AdjustContrast; a gamma of 1 leaves the image as it is."""
    low = values.amin(dim=(1, 2, 3), keepdim=True)
    spread = values.amax(dim=(1, 2, 3), keepdim=True) - low
    bent = ((values - low) / (spread + 1e-7)) ** gammas * spread + low
    return torch.where(gammas == 1, values, bent)
