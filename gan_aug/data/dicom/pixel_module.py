"""The attributes that say how pixels are stored (PS3.3 C.7.6.3), checked once for all who need them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gan_aug.data.assumptions import Assumed, assume
from gan_aug.data.dicom.attributes import Attributes, named
from gan_aug.errors import DataError

Array = npt.NDArray[Any]
Element = Literal["PixelData", "FloatPixelData", "DoubleFloatPixelData"]

ELEMENTS: dict[int, Element] = {
    0x7FE00010: "PixelData",
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
}

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT")
SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")
"""Two neighbours in a row share their colour: uncompressed, they take four bytes and not six."""

PHOTOMETRIC = {name.replace("_", "").replace(" ", ""): name for name in (*GREY, "PALETTE COLOR", *COLOURS)}
"""The photometric interpretations that are understood, by their letters and digits."""

UNSUPPORTED = ("HSV", "ARGB", "CMYK", "YBR_PARTIAL_420", "XYB")
"""Terms of the standard that are not understood here, and may be quoted."""

ALLOCATED = (1, 8, 16, 32, 64)
SQUARE, LONGEST = 0.01, 16.0
"""Pixels count as square if their sides differ by less than the first share. No side is so many times the other."""

FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}


@dataclass(frozen=True)
class PixelModule:
    """How the pixels of a file are stored.

    Attributes:
        element: The element that holds them.
        rows: Height in pixels.
        columns: Width in pixels.
        frames: How many frames there are.
        samples: Values per pixel, 1 or 3.
        photometric: The photometric interpretation, as the standard writes it.
        planar: Whether the three colours stand one after the other, plane by plane, in uncompressed pixels.
        allocated: Bits per stored value.
        stored: Bits of these that belong to the value.
        high: The highest of them, counted from 0.
        signed: Whether values are two's complement.
    """

    element: Element
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    planar: bool
    allocated: int
    stored: int
    high: int
    signed: bool

    @property
    def is_float(self) -> bool:
        """Whether the stored values are floating-point numbers."""
        return self.element != "PixelData"

    @cached_property
    def frame_bits(self) -> int:
        """The bits of one uncompressed frame."""
        bits = self.rows * self.columns * self.samples * self.allocated
        return bits * 2 // 3 if self.photometric in SUBSAMPLED else bits

    def native_bytes(self, frames: int | None = None) -> int:
        """The bytes of so many uncompressed frames, by default all."""
        return -(-self.frame_bits * (self.frames if frames is None else frames) // 8)

    @property
    def range(self) -> tuple[int, int]:
        """The lowest and the highest value that can be stored."""
        half = 1 << (self.stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    def as_stored(self, value: int) -> int:
        """`value` with the sign of stored values: a header may hold 63536 for -2000, and the other way round."""
        low, high = (-(1 << (self.allocated - 1)), (1 << (self.allocated - 1)) - 1) if self.signed else (0, None)
        if value < low:
            return value + (1 << self.allocated)
        return value - (1 << self.allocated) if high is not None and value > high else value


def read_pixel_module(header: Attributes, element: Element, length: int | None, max_pixels: int) -> PixelModule:
    """Read how the pixels are stored; what had to be assumed is noted.

    Args:
        header: The header.
        element: The element that holds the pixels.
        length: Its length in bytes, or None if the pixels are compressed.
        max_pixels: The largest rows x columns x frames.

    Returns:
        The description.

    Raises:
        DataError: If a value is absent or makes no sense; the message names it.
    """
    rows, columns = _size(header, "Rows"), _size(header, "Columns")
    frames = _frames(header)
    if rows * columns * frames > max_pixels:
        raise DataError(
            f"its header claims {rows} x {columns} x {frames} pixels, more than data.dicom.max_pixels, now {max_pixels}"
        )
    allocated, stored, high, signed = _bits(header, element)
    samples, photometric = _colours(header, rows * columns * frames * allocated, length)
    if photometric in SUBSAMPLED and length is not None and length >= -(-3 * rows * columns * frames * allocated // 8):
        header.note(f"its pixels are whole, although {named('PhotometricInterpretation')} is {photometric}: YBR_FULL")
        photometric = "YBR_FULL"
    planar = header.whole("PlanarConfiguration") if samples == 3 and length is not None else 0
    if planar not in (0, 1):
        header.note(f"{named('PlanarConfiguration')} is neither 0 nor 1: read as 0, colour by pixel")
    return PixelModule(
        element, rows, columns, frames, samples, photometric, planar == 1, allocated, stored, high, signed
    )


def pixel_distances(header: Attributes, frame: int) -> tuple[float, float] | None:
    """The distance between pixel centres of a frame in millimetres, (down, across), or None if it is not known."""
    for group in header.of_frame(frame, "PixelMeasuresSequence"):
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            if found := _pair(group, keyword):
                return found
    return None


def height_to_width(header: Attributes, frame: int) -> float:
    """The height of a pixel by its width; exactly 1 if they are alike, or so different that it must be an error."""
    distances, name = pixel_distances(header, frame), "the distances between pixels"
    if distances is None:
        distances, name = _pair(header, "PixelAspectRatio") or (1.0, 1.0), named("PixelAspectRatio")
    ratio = distances[0] / distances[1]
    if abs(ratio - 1) < SQUARE:
        return 1.0
    shape = f"by {name} a pixel is {ratio:.3g} times as high as wide"
    if not 1 / LONGEST <= ratio <= LONGEST:
        header.note(f"{shape}: taken for an error, pixels are shown as squares")
        return 1.0
    header.note(f"{shape}: resampled to square pixels")
    return ratio


def _pair(header: Attributes, keyword: str) -> tuple[float, float] | None:
    found = header.numbers(keyword)
    if not found:
        return None
    if len(found) < 2 or not all(one is not None and one > 0 for one in found[:2]):
        header.note(f"{named(keyword)} is not two numbers above 0: ignored")
        return None
    return float(found[0] or 0), float(found[1] or 0)


def _size(header: Attributes, keyword: str) -> int:
    found = header.whole(keyword)
    if found is None or found < 1:
        says = "has no" if found is None else f"says {found} for"
        raise DataError(f"its header {says} {named(keyword)}")
    return found


def _frames(header: Attributes) -> int:
    if "NumberOfFrames" not in header:
        return 1
    found = header.whole("NumberOfFrames")
    if found is not None and found < 1:
        header.note(f"{named('NumberOfFrames')} is {found}: read as 1")
    return max(found or 1, 1)


def _bits(header: Attributes, element: Element) -> tuple[int, int, int, bool]:
    """Bits allocated, bits stored, high bit, and whether values are signed."""
    allocated = header.whole("BitsAllocated")
    if element in FLOAT_BITS:
        bits = FLOAT_BITS[element]
        if allocated != bits:
            header.note(f"{named('BitsAllocated')} is not {bits}, as {element} needs: read as {bits}")
        return bits, bits, bits - 1, True
    if allocated not in ALLOCATED:
        said = "has no" if allocated is None else f"says {allocated} bits, not 1, 8, 16, 32 or 64, for"
        raise DataError(f"its header {said} {named('BitsAllocated')}")
    stored = header.whole("BitsStored")
    if stored is None or not 1 <= stored <= allocated:
        said = "has no" if stored is None else f"says {stored}, with {allocated} bits allocated, for"
        raise DataError(f"its header {said} {named('BitsStored')}")
    sign = header.whole("PixelRepresentation")
    if sign not in (0, 1):
        said = "has no" if sign is None else f"says {sign}, not 0 or 1, for"
        raise DataError(f"its header {said} {named('PixelRepresentation')}")
    high = header.whole("HighBit")
    if high is None or not stored - 1 <= high < allocated:
        said = "is absent" if high is None else f"is {high}, with {stored} of {allocated} bits stored"
        header.note(f"{named('HighBit')} {said}: read as {stored - 1}")
        high = stored - 1
    return allocated, stored, high, sign == 1


def _colours(header: Attributes, bits: int, length: int | None) -> tuple[int, str]:
    """Samples per pixel and photometric interpretation; where they contradict each other, the length decides.

    `bits` are those of one sample of all frames.
    """
    said = header.text("PhotometricInterpretation")
    if not said:
        raise DataError(f"its header has no {named('PhotometricInterpretation')}")
    photometric = PHOTOMETRIC.get(said.replace("_", "").replace(" ", ""))
    if photometric is None:
        value = f"is {said}, not one" if said in UNSUPPORTED else "is none"
        raise DataError(f"its {named('PhotometricInterpretation')} {value} of {', '.join(PHOTOMETRIC.values())}")
    if _as_written(header) != photometric:
        header.note(f"{named('PhotometricInterpretation')} is not written as in the standard: read as {photometric}")
    fitting = 3 if photometric in COLOURS else 1
    samples = header.whole("SamplesPerPixel")
    if samples is None:
        header.note(f"{named('SamplesPerPixel')} is absent: read as {fitting}, as {photometric} needs")
        return fitting, photometric
    if samples not in (1, 3):
        raise DataError(f"its {named('SamplesPerPixel')} says {samples} samples per pixel, not 1 or 3")
    if samples == fitting:
        return samples, photometric
    # Some say three samples and have bytes for one; others the other way round.
    held = samples if length is None else 3 if length >= -(-3 * bits // 8) else 1
    believed = photometric if held == fitting else "RGB" if held == 3 else "MONOCHROME2"
    header.note(
        f"{named('SamplesPerPixel')} is {samples} and {named('PhotometricInterpretation')} {photometric}: "
        f"read as {held} and {believed}"
    )
    return held, believed


def _as_written(header: Attributes) -> str:
    """The photometric interpretation as it is written, without blanks around it."""
    element = header.dataset.get_item(0x00280004)
    value = element.value
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip(" \0")


def stored_bits(values: Array, module: PixelModule, stored: int, precision: int | None) -> Array:
    """The bits of each value that belong to it, with its sign: the others may hold an overlay, or nothing in order.

    Args:
        values: The values as they are decoded.
        module: How they are stored.
        stored: How many bits belong to a value.
        precision: The bits of a compressed value, or None.

    Returns:
        The values, of a type that holds all bits allocated.
    """
    shift = module.high + 1 - module.stored
    if precision is not None and precision <= module.high:
        shift = 0  # whoever compressed the values has undone it
    low, high = int(values.min()), int(values.max())
    if shift and _is_shifted(low, high, values, shift, stored):
        values, low, high = values >> shift, low >> shift, high >> shift
    limits = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if module.signed else (0, (1 << stored) - 1)
    if limits[0] <= low and high <= limits[1]:
        return values.astype(_dtype(module, values), copy=False)
    mask = (1 << stored) - 1
    above = values.astype(np.int64) >> stored
    if ((above != 0) & (above != -1)).any() if module.signed else above.any():
        assume(Assumed.EXTRA_BITS)
    cut = values.astype(np.int64) & mask
    if module.signed:
        cut = np.where(cut > limits[1], cut - (mask + 1), cut)
    return cut.astype(_dtype(module, values))


def _is_shifted(low: int, high: int, values: Array, shift: int, stored: int) -> bool:
    """Whether values really stand at HighBit: not if the bits above are empty and those below hold something."""
    if -(1 << (stored - 1)) <= low and high < 1 << stored and (values & ((1 << shift) - 1)).any():
        assume(Assumed.OTHER_SHIFT)
        return False
    return True


def _dtype(module: PixelModule, values: Array) -> str:
    size = max(values.dtype.itemsize, (module.allocated + 7) // 8) if module.allocated > 1 else values.dtype.itemsize
    return f"{'i' if module.signed else 'u'}{size}"
