"""Grey values of a frame from its stored values, from 0 to 1: rescaled, then through a table or a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.assumptions import Assumed, assume
from gan_aug.data.dicom.grey_scale import GreyScale
from gan_aug.data.dicom.tables import LookUpTable
from gan_aug.errors import DataError

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

SAMPLED_PIXELS = 2**16
"""If an image has several times this many pixels, its percentiles are computed from every n-th row and column. Counting
millions of pixels would take as long as decoding them, and would change the result by at most a grey level or two of
256."""

COMPARED_PIXELS = 2**12
"""About so many pixels are looked at to see whether many values became few greys."""

MANY_VALUES, FEW_GREYS = 64, 24
"""A picture is suspect if at least so many stored values became at most so many of 256 greys."""

WHITE = 65535
NEGLIGIBLE = 1e-6
"""An error below this is less than a tenth of a step of 16 bit."""


def grey_frame(scale: GreyScale, values: Array) -> npt.NDArray[np.uint16]:
    """The grey values of one frame over the full range of uint16.

    Args:
        scale: How values become grey.
        values: The stored values, `(H, W)`.

    Returns:
        `(H, W) uint16`; 0 is black.

    Raises:
        DataError: If no pixel has a finite value.
    """
    grey = windowed_uint16(scale, values)
    if fell_together(values, grey):
        assume(Assumed.FEW_GREYS)
    return grey


def fell_together(values: Array, grey: Array) -> bool:
    """Whether many different values became a handful of greys; about COMPARED_PIXELS of them are looked at."""
    step = max(1, math.isqrt(values.size // COMPARED_PIXELS))
    greys = len(np.unique(grey[::step, ::step] >> 8))
    return greys <= FEW_GREYS and len(np.unique(values[::step, ::step])) >= max(MANY_VALUES, 4 * greys)


def windowed_uint16(scale: GreyScale, values: Array) -> npt.NDArray[np.uint16]:
    """Grey values over the full range of uint16.

    Each value is converted independently of the others. So if the values are integers, each possible value is
    converted once, instead of each pixel.

    Args:
        scale: How values become grey.
        values: The stored values, `(H, W)`.

    Returns:
        `(H, W) uint16`; 0 is black.
    """
    if values.dtype.kind == "f":
        return _to_uint16(_windowed_floats(scale, values))
    low, high = int(values.min()), int(values.max())
    if high - low >= values.size:
        return _to_uint16(windowed(scale, values))
    step = max(1, math.isqrt(values.size // SAMPLED_PIXELS))
    counts = partial(_count, values[::step, ::step], low, high)
    table = windowed(scale, np.arange(low, high + 1), counts)
    line = _line(table)
    if line is None:
        indices = np.subtract(values, low, dtype=np.intp, casting="unsafe")
        return _to_uint16(table).take(indices, mode="clip")  # no index is outside: `clip` spares numpy a copy
    # Most windows are a straight line, and computing in place is faster than looking each pixel up in a table.
    grey = np.subtract(values, np.float32(low), dtype=np.float32)
    grey *= np.float32(line[0] * WHITE)
    grey += np.float32(line[1] * WHITE)
    np.clip(grey, 0, WHITE, out=grey)
    return np.rint(grey, out=grey).astype(np.uint16)


def _count(values: Array, low: int, high: int) -> Counts:
    """How often each integer from `low` to `high` occurs in `values`."""
    indices = np.subtract(values, low, dtype=np.intp, casting="unsafe")
    return np.bincount(indices.ravel(), minlength=high - low + 1)


def _line(table: Doubles) -> tuple[float, float] | None:
    """Slope and first value of the straight line, clipped to 0 and 1, that `table` follows; None if it does not."""
    inside = np.flatnonzero((table > 0) & (table < 1))
    if len(inside) < 2:
        return None
    first, last = inside[0], inside[-1]
    slope = float(table[last] - table[first]) / float(last - first)
    start = float(table[first]) - slope * float(first)
    straight = np.clip(slope * np.arange(len(table)) + start, 0, 1)
    return (slope, start) if np.abs(straight - table).max() < NEGLIGIBLE else None


def _to_uint16(grey: Doubles) -> npt.NDArray[np.uint16]:
    return np.rint(grey * WHITE).astype(np.uint16)


def windowed(scale: GreyScale, values: Array, counts: Callable[[], Counts] | None = None) -> Doubles:
    """Grey values from 0 (black) to 1 (white).

    Args:
        scale: How values become grey.
        values: Stored values, of any shape.
        counts: Returns how often each of `values` occurs in the frame; None if each occurs once.

    Returns:
        float64 of the shape of `values`.
    """
    if scale.modality:
        modality = np.asarray(scale.modality(values), dtype=np.float64)
    else:
        modality = values.astype(np.float64) * scale.slope + scale.intercept  # float32 would overflow
    padding = _padding(scale, values)
    if isinstance(scale.voi, LookUpTable):
        grey = np.clip(scale.voi(modality) / (2.0 ** (scale.voi.bits or 16) - 1), 0, 1)
    elif scale.voi:
        grey = scale.voi(modality)
    else:
        grey = _by_percentiles(modality, padding, counts() if counts else np.ones(modality.shape, dtype=np.intp))
    if scale.inverted:
        grey = 1 - grey
    # Padding around a round or collimated field is no tissue: it is black, also for MONOCHROME1.
    grey[padding] = 0
    return grey


def _windowed_floats(scale: GreyScale, values: Array) -> Doubles:
    """As `windowed`; what is not a number is black, and what is not finite has no part in percentiles."""
    finite = np.isfinite(values)
    if not finite.any():
        raise DataError("none of its pixels has a finite value")
    if finite.all():
        return windowed(scale, values)
    assume(Assumed.NOT_FINITE)
    no_number = np.isnan(values)
    grey = windowed(scale, np.where(no_number, values[finite].min(), values), lambda: finite.astype(np.intp))
    grey[no_number] = 0
    return grey


def _padding(scale: GreyScale, values: Array) -> Any:
    """Which values are padding: none if all would be."""
    if scale.padding is None:
        return np.zeros(values.shape, dtype=bool)
    low, high = scale.padding
    found = (values >= low) & (values <= high)
    if found.all():
        assume(Assumed.ALL_PADDING)
        return np.zeros(values.shape, dtype=bool)
    return found


def _by_percentiles(modality: Doubles, padding: Any, counts: Counts) -> Doubles:
    """Map the percentiles 0.5 to 99.5 of the frame, without its padding, to 0 to 1."""
    own = np.where(padding, 0, counts)
    low, high = _weighted_percentiles(modality, own if own.any() else counts, (0.5, 99.5))
    if high <= low:
        # An (almost) constant image: use its whole range, so that a small mark stays visible, also an unsampled one.
        shown = modality[np.isfinite(modality) & ~padding]
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 0.0)
    return np.clip((modality - low) / (high - low), 0, 1) if high > low else np.zeros_like(modality)


def _weighted_percentiles(values: Doubles, counts: Counts, at: tuple[float, float]) -> tuple[float, float]:
    """The result of `np.percentile` if each value occurs `counts` times: linear interpolation between neighbours."""
    flat, times = values.ravel(), counts.ravel()
    order = np.argsort(flat, kind="stable")
    ordered, ends = flat[order], np.cumsum(times[order])
    found = []
    for percent in at:
        position = percent / 100 * (int(ends[-1]) - 1)
        lower, upper = (
            ordered[np.searchsorted(ends, whole, "right")] for whole in (int(position), -int(-position // 1))
        )
        found.append(float(lower + (upper - lower) * (position % 1)))
    return found[0], found[1]
