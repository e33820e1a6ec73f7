"""Grey values: Modality LUT or rescale, then VOI LUT or window, to 0 (black) and 1 (white)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
COUNTED = 2**16
"""Percentiles of an image with several times this many pixels are those of every n-th row and column of it: counting
millions would take as long as decoding them, and alter the picture by a grey level or two of 256 at most."""

WHITE = 65535
NEGLIGIBLE = 1e-6
"""Less than a tenth of a step of 16 bit."""

Doubles = npt.NDArray[np.float64]


def shown_greys(dataset: Any, values: Array, frame: int, window: str) -> npt.NDArray[np.uint16]:
    """Stored values `(H, W)` of one grey frame over the full range of uint16.

    Every step looks at one value alone, so whole numbers go through it once each rather than once a pixel.
    """
    low, high = int(values.min()), int(values.max())
    if values.dtype.kind not in "iu" or high - low >= values.size:
        return _deep(windowed(dataset, values, frame, window))
    every = max(1, math.isqrt(values.size // COUNTED))
    counted = partial(_counts, values[::every, ::every], low, high)
    table = windowed(dataset, np.arange(low, high + 1), frame, window, counted)
    line = _line(table)
    if line is None:
        steps = np.subtract(values, low, dtype=np.intp, casting="unsafe")
        return _deep(table).take(steps, mode="clip")  # nothing lies outside: clip spares numpy a copy
    # Most windows are a straight line, and floats in place go through the memory faster than a table does.
    shown = np.subtract(values, np.float32(low), dtype=np.float32)
    shown *= np.float32(line[0] * WHITE)
    shown += np.float32(line[1] * WHITE)
    np.clip(shown, 0, WHITE, out=shown)
    return np.rint(shown, out=shown).astype(np.uint16)


def _counts(values: Array, low: int, high: int) -> npt.NDArray[np.intp]:
    """How often each whole number from `low` to `high` stands in `values`."""
    steps = np.subtract(values, low, dtype=np.intp, casting="unsafe")
    return np.bincount(steps.ravel(), minlength=high - low + 1)


def _line(table: Doubles) -> tuple[float, float] | None:
    """Slope and start of the straight line that `table` is between 0 and 1; None where it is not one."""
    inside = np.flatnonzero((table > 0) & (table < 1))
    if len(inside) < 2:
        return None
    first, last = inside[0], inside[-1]
    slope = float(table[last] - table[first]) / float(last - first)
    start = float(table[first]) - slope * float(first)
    straight = np.clip(slope * np.arange(len(table)) + start, 0, 1)
    return (slope, start) if np.abs(straight - table).max() < NEGLIGIBLE else None


def _deep(shown: Doubles) -> npt.NDArray[np.uint16]:
    return np.rint(shown * WHITE).astype(np.uint16)


def windowed(
    dataset: Any, values: Array, frame: int, window: str, counted: Callable[[], npt.NDArray[np.intp]] | None = None
) -> Doubles:
    """Stored values of one grey frame as 0 to 1; `window` is `first`, `percentile` or a window's explanation.

    `counted` says how often each of the values stands in the frame; without it each stands for itself.
    """
    grey = np.nan_to_num(rescaled(dataset, values, frame))
    padding = _padding(dataset, values)
    shown = None if window == "percentile" else _from_header(dataset, grey, frame, window)
    if shown is None:
        shown = _percentiles(grey, padding, counted() if counted else np.ones(grey.shape, dtype=np.intp))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    # What pads a round or collimated field is no tissue: black, whichever way round the greys run.
    shown[padding] = 0
    return shown


def rescaled(dataset: Any, values: Array, frame: int) -> Doubles:
    """Values after the Modality LUT or the rescale slope and intercept, in double precision."""
    from pydicom.pixels import apply_modality_lut  # noqa: TID251

    if has_table(dataset, "ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(values, dataset), dtype=np.float64)
    place = _group(dataset, frame, "PixelValueTransformationSequence") or dataset
    slope, intercept = place.get("RescaleSlope"), place.get("RescaleIntercept")
    slope = 1.0 if slope is None else float(slope)
    return values.astype(np.float64) * slope + (0.0 if intercept is None else float(intercept))


def has_table(place: Any, name: str) -> bool:
    """Whether the sequence `name` holds a look-up table: some writers leave one with every value empty."""
    tables = place.get(name)
    return bool(tables) and bool(tables[0].get("LUTData")) and bool(tables[0].get("LUTDescriptor"))


def _group(dataset: Any, frame: int, name: str) -> Any:
    """The item of a functional group that holds for `frame`, its own before the shared one, or None."""
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for place in [*own[frame : frame + 1], *shared[:1]]:
        if place.get(name):
            return place.get(name)[0]
    return None


def _padding(dataset: Any, values: Array) -> Any:
    value, end = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return np.zeros(values.shape, dtype=bool)
    low, high = sorted((value, end if isinstance(end, int) else value))
    return (values >= low) & (values <= high)


def _from_header(dataset: Any, grey: Doubles, frame: int, window: str) -> Doubles | None:
    place = _group(dataset, frame, "FrameVOILUTSequence") or dataset
    if has_table(place, "VOILUTSequence"):
        return _looked_up(place, grey)
    centers, widths = _floats(place.get("WindowCenter")), _floats(place.get("WindowWidth"))
    if not centers or not widths:
        return None
    names = place.get("WindowCenterWidthExplanation") or []
    names = [names] if isinstance(names, str) else list(names)
    chosen = names.index(window) if window in names else 0
    chosen = min(chosen, len(centers) - 1, len(widths) - 1)
    function = str(place.get("VOILUTFunction") or "LINEAR")
    return _ramp(grey, centers[chosen], widths[chosen], function)


def _looked_up(place: Any, grey: Doubles) -> Doubles:
    from pydicom.pixels import apply_voi  # noqa: TID251

    bits = int(place.VOILUTSequence[0].LUTDescriptor[2])
    indices = np.rint(grey).astype(np.int64)
    shown: Doubles = np.clip(np.asarray(apply_voi(indices, place), dtype=np.float64) / (2**bits - 1), 0, 1)
    return shown


def _floats(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(one) for one in value] if hasattr(value, "__iter__") else [float(value)]


def _ramp(grey: Doubles, center: float, width: float, function: str) -> Doubles:
    """The VOI LUT functions of PS3.3 C.11.2, onto 0 to 1."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (grey - center) / max(width, 1e-6), -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((grey - center) / max(width, 1e-6) + 0.5, 0, 1)
    if width <= 1:
        return (grey > center - 0.5).astype(np.float64)
    return np.clip((grey - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _percentiles(grey: Doubles, padding: Any, counts: npt.NDArray[np.intp]) -> Doubles:
    own = np.where(padding, 0, counts)
    low, high = _weighted_percentiles(grey, own if own.any() else counts, (0.5, 99.5))
    if high <= low:
        # (Almost) constant: the whole range, so that a mark on an empty field is still seen, also one not counted.
        low, high = float(grey.min()), float(grey.max())
    return np.clip((grey - low) / (high - low), 0, 1) if high > low else np.zeros_like(grey)


def _weighted_percentiles(grey: Doubles, counts: npt.NDArray[np.intp], at: tuple[float, float]) -> tuple[float, float]:
    """What `np.percentile` gives where each grey stands `counts` times: linear between neighbours."""
    greys, times = grey.ravel(), counts.ravel()
    order = np.argsort(greys, kind="stable")
    greys, ends = greys[order], np.cumsum(times[order])
    found = []
    for percent in at:
        place = percent / 100 * (int(ends[-1]) - 1)
        lower, upper = (greys[np.searchsorted(ends, whole, "right")] for whole in (int(place), -int(-place // 1)))
        found.append(float(lower + (upper - lower) * (place % 1)))
    return found[0], found[1]
