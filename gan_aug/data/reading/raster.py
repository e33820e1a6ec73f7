"""From decoded pixels to a stored image: grey range, channels and size, computed in float32 until the last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_aug.data.assumptions import Assumed, assume
from gan_aug.data.items import Pixels
from gan_aug.errors import DataError

GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R 601 weights of red, green and blue."""

Floats = npt.NDArray[np.float32]

PERCENTILES = (0.5, 99.5)
"""The share of grey values, in percent, that a window by percentiles begins and ends at."""

GAP = {"bilinear": 4.0, "hamming": 4.0, "bicubic": 4.0, "lanczos": 4.0}
"""Pillow's `reducing_gap`: an image at least eight times too large is first averaged over whole pixels, to about this
many times the final size. With 4, the result is within a grey level or two of filtering all pixels and takes at most
half the time. The other filters are fast without it, and their results would change more."""


@dataclass(frozen=True)
class Raster:
    """The form of the stored images, and the conversion of decoded pixels to it.

    Attributes:
        channels: 1 for grey, 3 for RGB.
        height: The stored height in pixels.
        width: The stored width in pixels.
        fit: What happens if the aspect ratio differs: `pad` adds black borders, `crop` cuts borders off, `stretch`
            changes the ratio.
        filter: Pillow's resampling filter.
        window: The grey range that becomes 0 to 255: `full` is the range of the dtype, for float32 that of the image's
            finite values; `percentile` the percentiles 0.5 to 99.5 of that image; `auto` full for 8 bit, else
            percentile.
    """

    channels: int
    height: int
    width: int
    fit: Literal["pad", "crop", "stretch"] = "pad"
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "lanczos"
    window: Literal["auto", "full", "percentile"] = "auto"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a stored image, `(C, H, W)`."""
        return self.channels, self.height, self.width

    def __call__(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """`pixels`, `(H, W)` or `(H, W, 3)` of uint8, uint16 or float32, as `(channels, height, width) uint8`.

        8-bit pixels that have the stored form already keep their values. Raises DataError with the reason for other
        arrays.
        """
        _check(pixels)
        if self.channels == 1 and pixels.ndim == 3 and not has_colour(pixels):
            pixels = pixels[..., 0]  # exact: a weighted sum of equal values may round to another value
        if pixels.shape == self._stored_shape and pixels.dtype == np.uint8 and self.window != "percentile":
            return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))
        planes = self._planes(_windowed(pixels, self.window))
        image = np.zeros(self.shape, dtype=np.uint8)
        for channel, plane in enumerate(planes):
            resized = self._resized(plane)
            top, left = (self.height - resized.shape[0]) // 2, (self.width - resized.shape[1]) // 2
            # Filters with negative lobes overshoot at edges: clip before rounding to 8 bit.
            values = np.rint(np.clip(resized, 0, 255)).astype(np.uint8)
            image[channel, top : top + resized.shape[0], left : left + resized.shape[1]] = values
        return image

    @property
    def _stored_shape(self) -> tuple[int, ...]:
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, 3)

    def _planes(self, values: Floats) -> list[Floats]:
        """One `(H, W)` plane per stored channel."""
        if values.ndim == 2:
            return [values] * self.channels
        return [values @ GREY] if self.channels == 1 else [values[..., channel] for channel in range(3)]

    def _resized(self, plane: Floats) -> Floats:
        """The plane at the stored size; smaller in one direction if it is to be padded."""
        height, width = plane.shape
        if (height, width) == (self.height, self.width):
            return plane
        size, box = (self.width, self.height), (0.0, 0.0, float(width), float(height))
        across, down = self.width / width, self.height / height
        if self.fit == "pad":
            scale = min(across, down)
            size = max(1, round(width * scale)), max(1, round(height * scale))
        elif self.fit == "crop":
            scale = max(across, down)
            margin_x, margin_y = (width - self.width / scale) / 2, (height - self.height / scale) / 2
            box = (max(margin_x, 0), max(margin_y, 0), min(width - margin_x, width), min(height - margin_y, height))
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(
            image.resize(size, Image.Resampling[self.filter.upper()], box, GAP.get(self.filter)), dtype=np.float32
        )


def resized_planes(pixels: Pixels, size: tuple[int, int], how: Image.Resampling) -> Floats:
    """`pixels`, `(H, W)` or `(H, W, 3)`, at `size` (width, height) as float32; each channel is resized by itself."""
    planes = np.atleast_3d(pixels).astype(np.float32)
    made = [np.asarray(Image.fromarray(plane).resize(size, how)) for plane in np.moveaxis(planes, -1, 0)]
    stacked: Floats = np.stack(made, axis=-1)
    return stacked if pixels.ndim == 3 else stacked[..., 0]


def has_colour(pixels: Pixels) -> bool:
    """Whether `pixels` have colour: three channels that differ somewhere."""
    return pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())


def _check(pixels: npt.NDArray[Any]) -> None:
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise DataError(f"its pixels are {pixels.dtype}, not uint8, uint16 or float32")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or 0 in pixels.shape:
        raise DataError(f"its array is {pixels.shape}, not (height, width) or (height, width, 3)")


def _windowed(pixels: Pixels, window: str) -> Floats:
    """The chosen grey range as 0 to 255 in float32, so that resizing loses no precision."""
    if pixels.dtype == np.float32:
        return _finite_window(pixels, (0.0, 100.0) if window == "full" else PERCENTILES)
    if pixels.dtype == np.uint16 and window == "full":
        return np.divide(pixels, np.float32(257), dtype=np.float32)  # exact for what was 8 bit
    values: Floats = pixels.astype(np.float32)
    if window == "percentile" or (window == "auto" and pixels.dtype == np.uint16):
        low, high = np.percentile(pixels, PERCENTILES)
        # An (almost) constant image has no range of its own: it keeps its values in the range of the dtype.
        if high > low:
            stretched: Floats = np.clip((values - np.float32(low)) * np.float32(255 / (high - low)), 0, 255)
            return stretched
    return values if pixels.dtype == np.uint8 else values / np.float32(257)


def _finite_window(pixels: Pixels, percentiles: tuple[float, float]) -> Floats:
    """The grey range between two percentiles of the finite values as 0 to 255.

    What is not a number is black, and what is infinite is black or white by its sign. A constant image is black.
    """
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise DataError("none of its pixels is a finite number")
    if finite.size < values.size:
        assume(Assumed.NOT_FINITE)
    low, high = np.percentile(finite, percentiles)
    if high <= low:
        low, high = finite.min(), finite.max()
    if high <= low:
        return np.zeros(pixels.shape, dtype=np.float32)
    scaled: Floats = np.nan_to_num(np.clip((values - low) * (255 / (high - low)), 0, 255), nan=0.0).astype(np.float32)
    return scaled
