"""What a header says of grey values (PS3.3 C.11.1 and C.11.2): as it is meant, where its letter makes no picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gan_aug.data.dicom.attributes import Attributes, named
from gan_aug.data.dicom.pixel_module import PixelModule
from gan_aug.data.dicom.tables import LookUpTable, depth, read_table

Doubles = npt.NDArray[np.float64]

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
FUNCTIONS: dict[str, Function] = {"LINEAR": "LINEAR", "LINEAREXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}
"""The functions by their letters."""


@dataclass(frozen=True)
class Window:
    """A window by one of the VOI LUT Functions (0028,1056) of PS3.3 C.11.2.1."""

    center: float
    width: float
    function: Function = "LINEAR"

    def __call__(self, values: Doubles) -> Doubles:
        """`values` from 0 (black) to 1 (white)."""
        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700))))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width <= 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True, eq=False)
class GreyScale:
    """How the stored values of a frame become grey.

    Attributes:
        slope: What a stored value is multiplied by.
        intercept: What is added then.
        modality: The Modality LUT, in place of both, or None.
        voi: The window or VOI LUT; None stands for percentiles.
        padding: The lowest and the highest stored value that is padding, or None.
        inverted: Whether the lowest value is white.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality: LookUpTable | None = None
    voi: Window | LookUpTable | None = None
    padding: tuple[int, int] | None = None
    inverted: bool = False


@dataclass(frozen=True)
class PixelPlan:
    """How the one frame of a file becomes grey, as its header says: known before, so that the header is read once.

    Attributes:
        stamp: The file as it was when its header was read; see `DicomFile.stamp`.
        place: Where its pixels begin, in bytes. They are not compressed, little endian, and of 8 or 16 bits.
        module: How they are stored.
        scale: How stored values become grey. It has no tables.
        ratio: The height of a pixel by its width.
    """

    stamp: tuple[int, ...]
    place: int
    module: PixelModule
    scale: GreyScale
    ratio: float

    @classmethod
    def parse(cls, values: dict[str, Any]) -> PixelPlan:
        """The plan of which `values` are the JSON form of `asdict`."""
        scale = values["scale"]
        window = scale["voi"] and Window(**scale["voi"])
        padding = scale["padding"] and tuple(scale["padding"])
        return cls(
            tuple(values["stamp"]),
            values["place"],
            PixelModule(**values["module"]),
            GreyScale(**scale | {"voi": window, "padding": padding}),
            values["ratio"],
        )


def read_scale(header: Attributes, module: PixelModule, frame: int, window: str) -> GreyScale:
    """Read how the stored values of a frame become grey; what is not obeyed is noted.

    Args:
        header: The header.
        module: How the pixels are stored.
        frame: The frame, counted from 0.
        window: `first`, `percentile`, or the explanation of the window or table to use.

    Returns:
        The scale.
    """
    modality = _modality_table(header, module)
    slope, intercept = (1.0, 0.0) if modality else _rescale(header, frame)
    ends = [float(end) * slope + intercept for end in module.range]
    outputs = (float(modality.entries.min()), float(modality.entries.max())) if modality else (min(ends), max(ends))
    fractional = modality is None and (abs(slope) < 1 or module.is_float)
    voi = None if window == "percentile" else _voi(header, frame, window, outputs, fractional=fractional)
    return GreyScale(slope, intercept, modality, voi, _padding(header, module), module.photometric == "MONOCHROME1")


def _modality_table(header: Attributes, module: PixelModule) -> LookUpTable | None:
    limits = float(module.range[0]), float(module.range[1])
    item = header.item("ModalityLUTSequence", 0)
    return read_table(item, "LUTDescriptor", "LUTData", limits) if item else None


def _rescale(header: Attributes, frame: int) -> tuple[float, float]:
    """Rescale Slope (0028,1053) and Rescale Intercept (0028,1052)."""
    for group in header.of_frame(frame, "PixelValueTransformationSequence"):
        slope, intercept = group.number("RescaleSlope"), group.number("RescaleIntercept")
        if slope == 0:
            header.note(f"{named('RescaleSlope')} is 0: rescale ignored")
            return 1.0, 0.0
        if slope is not None or intercept is not None:
            return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    return 1.0, 0.0


def _voi(
    header: Attributes, frame: int, window: str, inputs: tuple[float, float], *, fractional: bool
) -> Window | LookUpTable | None:
    """The VOI LUT or window to use, or None for percentiles."""
    chosen: Window | LookUpTable | None = None
    which = "no window in the header"
    for group in header.of_frame(frame, "FrameVOILUTSequence"):
        tables = group.items("VOILUTSequence")
        windows = list(zip(*(group.numbers(name) for name in ("WindowCenter", "WindowWidth")), strict=False))
        if not tables and not windows:
            continue
        names = group.texts("WindowCenterWidthExplanation")
        explanations = [next(iter(table.texts("LUTExplanation")), "") for table in tables]
        if window != "first" and window not in (*names, *explanations):
            header.note("it has no window with the name asked for: its first window is used")
        if window not in names:
            chosen = _first_table(tables, explanations.index(window) if window in explanations else 0, inputs)
        if chosen is None and windows:
            first = names.index(window) if window in names[: len(windows)] else 0
            chosen = _first_window(group, [*windows[first:], *windows[:first]], fractional=fractional)
        if chosen is not None:
            return chosen
        which = "no valid window in the header"
    header.note(f"{which}: percentiles 0.5 to 99.5 of the image")
    return None


def _first_table(tables: list[Attributes], first: int, inputs: tuple[float, float]) -> LookUpTable | None:
    """The first usable table, beginning at `first`."""
    for item in [*tables[first:], *tables[:first]]:
        if table := read_table(item, "LUTDescriptor", "LUTData", inputs):
            return replace(table, bits=depth(item, "LUTDescriptor", table.bits, int(table.entries.max())))
    return None


def _first_window(group: Attributes, windows: list[tuple[Any, Any]], *, fractional: bool) -> Window | None:
    """The first valid one of pairs of center and width, or None."""
    function = _function(group)
    for center, width in windows:
        if center is None or width is None:
            group.note(f"a {named('WindowCenter')} or {named('WindowWidth')} is absent: that window is ignored")
        elif width <= 0:
            group.note(f"{named('WindowWidth')} is {width:g}, not above 0: that window is ignored")
        elif function == "LINEAR" and (width < 1 or (width == 1 and fractional)):
            # LINEAR is made for whole numbers: it takes 1 off the width.
            group.note(f"{named('WindowWidth')} is {width:g}, too small for LINEAR: LINEAR_EXACT is used")
            return Window(float(center), float(width), "LINEAR_EXACT")
        else:
            return Window(float(center), float(width), function)
    return None


def _function(group: Attributes) -> Function:
    said = group.text("VOILUTFunction")
    if said and said.replace("_", "").replace(" ", "") not in FUNCTIONS:
        group.note(f"{named('VOILUTFunction')} is none of {', '.join(FUNCTIONS.values())}: LINEAR is used")
    return FUNCTIONS.get(said.replace("_", "").replace(" ", ""), "LINEAR")


def _padding(header: Attributes, module: PixelModule) -> tuple[int, int] | None:
    """The range of stored values that are padding, by Pixel Padding Value (0028,0120) and Range Limit (0028,0121)."""
    if module.is_float:
        return None
    value, limit = header.whole("PixelPaddingValue"), header.whole("PixelPaddingRangeLimit")
    if value is None:
        return None
    ends = [_padding_end(header, module, "PixelPaddingValue", value)]
    ends.append(ends[0] if limit is None else _padding_end(header, module, "PixelPaddingRangeLimit", limit))
    return min(ends), max(ends)


def _padding_end(header: Attributes, module: PixelModule, keyword: str, value: int) -> int:
    stored = module.as_stored(value)
    if stored != value:
        sign = "signed" if module.signed else "unsigned"
        header.note(f"{named(keyword)} is {value}, and values are {sign}: read as {stored}")
    return stored
