"""Grey values of a frame: Modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1 and C.11.2), as 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

SAMPLED_PIXELS = 2**16
"""If an image has several times this many pixels, its percentiles are computed from every n-th row and column. Counting
millions of pixels would take as long as decoding them, and would change the result by at most a grey level or two of
256."""

WHITE = 65535
NEGLIGIBLE = 1e-6
"""An error below this is less than a tenth of a step of 16 bit."""


def windowed_uint16(dataset: Any, values: Array, frame: int, window: str) -> npt.NDArray[np.uint16]:
    """Grey values of one frame over the full range of uint16.

    Each value is converted independently of the others. So if the values are integers, each possible value is
    converted once, instead of each pixel.

    Args:
        dataset: The pydicom dataset of the frame.
        values: The stored values, `(H, W)`.
        frame: The frame, counted from 0.
        window: `first`, `percentile`, or a Window Center & Width Explanation (0028,1055).

    Returns:
        `(H, W) uint16`; 0 is black.
    """
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind not in "iu" or high - low >= values.size:
        return _to_uint16(windowed(dataset, values, frame, window))
    step = max(1, math.isqrt(values.size // SAMPLED_PIXELS))
    counts = partial(_count, values[::step, ::step], low, high)
    table = windowed(dataset, np.arange(low, high + 1), frame, window, counts)
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


def windowed(
    dataset: Any, values: Array, frame: int, window: str, counts: Callable[[], Counts] | None = None
) -> Doubles:
    """Grey values of one frame from 0 (black) to 1 (white).

    Args:
        dataset: The pydicom dataset of the frame.
        values: Stored values, of any shape.
        frame: The frame, counted from 0.
        window: `first`, `percentile`, or a Window Center & Width Explanation (0028,1055).
        counts: Returns how often each of `values` occurs in the frame; None if each occurs once.

    Returns:
        float64 of the shape of `values`.
    """
    modality = np.nan_to_num(rescaled(dataset, values, frame))
    padding = _padding(dataset, values)
    grey = None if window == "percentile" else _windowed_by_header(dataset, modality, frame, window)
    if grey is None:
        grey = _windowed_by_percentiles(
            modality, padding, counts() if counts else np.ones(modality.shape, dtype=np.intp)
        )
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    # Padding around a round or collimated field is no tissue: it is black, also for MONOCHROME1.
    grey[padding] = 0
    return grey


def rescaled(dataset: Any, values: Array, frame: int) -> Doubles:
    """Apply the Modality LUT, or else Rescale Slope (0028,1053) and Rescale Intercept (0028,1052).

    Args:
        dataset: The pydicom dataset of the frame.
        values: Stored values, of any shape.
        frame: The frame, counted from 0.

    Returns:
        float64 of the shape of `values`, in the units of the modality.
    """
    from pydicom.pixels import apply_modality_lut  # noqa: TID251

    if has_table(dataset, "ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(values, dataset), dtype=np.float64)
    attributes = _functional_group(dataset, frame, "PixelValueTransformationSequence") or dataset
    slope, intercept = attributes.get("RescaleSlope"), attributes.get("RescaleIntercept")
    slope = 1.0 if slope is None else float(slope)
    return values.astype(np.float64) * slope + (0.0 if intercept is None else float(intercept))


def has_table(attributes: Any, name: str) -> bool:
    """Whether the sequence `name` holds a look-up table: some writers leave a table in which every value is empty."""
    tables = attributes.get(name)
    return bool(tables) and bool(tables[0].get("LUTData")) and bool(tables[0].get("LUTDescriptor"))


def _functional_group(dataset: Any, frame: int, name: str) -> Any:
    """The item of a functional group that applies to `frame`: the frame's own, else the shared one, else None."""
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for groups in [*own[frame : frame + 1], *shared[:1]]:
        if groups.get(name):
            return groups.get(name)[0]
    return None


def _padding(dataset: Any, values: Array) -> Any:
    """Which values are padding, by Pixel Padding Value (0028,0120) and Pixel Padding Range Limit (0028,0121)."""
    value, end = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return np.zeros(values.shape, dtype=bool)
    low, high = sorted((value, end if isinstance(end, int) else value))
    return (values >= low) & (values <= high)


def _windowed_by_header(dataset: Any, modality: Doubles, frame: int, window: str) -> Doubles | None:
    """Apply the VOI LUT or the chosen window of the header; None if it has neither."""
    attributes = _functional_group(dataset, frame, "FrameVOILUTSequence") or dataset
    if has_table(attributes, "VOILUTSequence"):
        return _looked_up(attributes, modality)
    centers, widths = _floats(attributes.get("WindowCenter")), _floats(attributes.get("WindowWidth"))
    if not centers or not widths:
        return None
    names = attributes.get("WindowCenterWidthExplanation") or []
    names = [names] if isinstance(names, str) else list(names)
    chosen = names.index(window) if window in names else 0
    chosen = min(chosen, len(centers) - 1, len(widths) - 1)
    function = str(attributes.get("VOILUTFunction") or "LINEAR")
    return _voi_function(modality, centers[chosen], widths[chosen], function)


def _looked_up(attributes: Any, modality: Doubles) -> Doubles:
    from pydicom.pixels import apply_voi  # noqa: TID251

    bits = int(attributes.VOILUTSequence[0].LUTDescriptor[2])
    indices = np.rint(modality).astype(np.int64)
    grey: Doubles = np.clip(np.asarray(apply_voi(indices, attributes), dtype=np.float64) / (2**bits - 1), 0, 1)
    return grey


def _floats(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(one) for one in value] if hasattr(value, "__iter__") else [float(value)]


def _voi_function(modality: Doubles, center: float, width: float, function: str) -> Doubles:
    """The VOI LUT Functions (0028,1056) of PS3.3 C.11.2.1, scaled to 0 to 1."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (modality - center) / max(width, 1e-6), -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((modality - center) / max(width, 1e-6) + 0.5, 0, 1)
    if width <= 1:
        return (modality > center - 0.5).astype(np.float64)
    return np.clip((modality - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _windowed_by_percentiles(modality: Doubles, padding: Any, counts: Counts) -> Doubles:
    """Map the percentiles 0.5 to 99.5 of the frame, without its padding, to 0 to 1."""
    own = np.where(padding, 0, counts)
    low, high = _weighted_percentiles(modality, own if own.any() else counts, (0.5, 99.5))
    if high <= low:
        # An (almost) constant image: use its whole range, so that a small mark stays visible, also an unsampled one.
        low, high = float(modality.min()), float(modality.max())
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
