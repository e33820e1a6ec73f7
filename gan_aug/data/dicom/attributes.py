"""Values of a DICOM header, read as far as they can be whatever their form; what was odd about them is noted.

pydicom parses the values of an element when they are asked for, and raises if one of them is not as the standard has
it: a decimal comma, a letter behind a number. Numbers are therefore read from the bytes here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

_PALETTES = tuple(
    f"{kind}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for kind, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)

PIXEL_KEYWORDS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PhotometricInterpretation", "PixelPresentation", "PixelSpacing",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence",
    "VOILUTFunction", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable", *_PALETTES,
)  # fmt: skip
"""All attributes that decoding needs."""

BINARY = {
    "US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "UV": "u8", "SV": "i8", "FL": "f4", "FD": "f8", "OW": "u2",
    "OB": "u1", "OF": "f4", "OD": "f8", "OL": "u4", "US or SS": "u2", "US or SS or OW": "u2", "US or OW": "u2",
}  # fmt: skip
"""The VRs of binary numbers, with numpy's name of their type."""

TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}

NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:\.\d{3})+,\d*)")
"""A number whose thousands are set apart, by commas if it has a decimal point, and the other way round."""

HARMLESS = re.compile(r"[0-9+\-.,eE ]{1,24}")
"""Text that can be quoted: it holds nothing but numbers, and so no name."""

LARGEST = 1e30
"""Numbers beyond are no measurement, and products of them would be infinite."""

BLANK = " \0\t\r\n"


@cache
def _tag(keyword: str) -> Any:
    from pydicom.datadict import tag_for_keyword  # noqa: TID251
    from pydicom.tag import Tag  # noqa: TID251

    tag = tag_for_keyword(keyword)
    return Tag(tag if tag is not None else keyword)


@cache
def _dictionary_vr(tag: int) -> str:
    from pydicom.datadict import dictionary_VR  # noqa: TID251

    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


@cache
def named(keyword: str) -> str:
    """An attribute as reasons and notes name it: `Rows (0028,0010)`."""
    tag = int(_tag(keyword))
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def tags(keywords: Iterable[str]) -> list[Any]:
    """The tags of attributes."""
    return [_tag(keyword) for keyword in keywords]


class Attributes:
    """The attributes of a pydicom dataset, or of an item of a sequence in it.

    Attributes:
        dataset: The dataset.
        notes: Grows by a sentence for each value that was not as the standard has it. It quotes no text.
    """

    def __init__(self, dataset: Any, notes: list[str] | None = None) -> None:
        self.dataset = dataset
        self.notes: list[str] = [] if notes is None else notes

    def note(self, sentence: str) -> None:
        """Note what was assumed, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def numbers(self, keyword: str) -> list[float | None]:
        """All values of an attribute; None stands for a value that holds no finite number."""
        element = self.dataset.get_item(_tag(keyword))
        if element is None:
            return []
        values = _raw_numbers(element) if hasattr(element, "is_raw") and element.is_raw else _values(element.value)
        return [self._number(keyword, value) for value in values]

    def number(self, keyword: str) -> float | None:
        """The value of an attribute that has one, or None if it holds no number."""
        found = self.numbers(keyword)
        if len(found) > 1:
            self.note(f"{named(keyword)} holds {len(found)} values: the first is used")
        return found[0] if found else None

    def whole(self, keyword: str) -> int | None:
        """The value of an attribute that has one, as a whole number, or None."""
        found = self.number(keyword)
        return None if found is None else int(found)

    def text(self, keyword: str) -> str:
        """The first value of a coded attribute in capitals, without blanks around it; empty if there is none."""
        element = self.dataset.get_item(_tag(keyword))
        value = None if element is None else element.value
        if isinstance(value, bytes):
            value = value.decode("latin-1").split("\\")[0]
        elif value is not None and not isinstance(value, str):
            value = next(iter(value), "") if hasattr(value, "__iter__") else value
        return "" if value is None else str(value).strip(BLANK).upper()

    def texts(self, keyword: str) -> list[str]:
        """All values of an attribute that holds text in the dataset's character set."""
        try:
            value = self.dataset[_tag(keyword)].value
        except Exception:  # noqa: BLE001 - pydicom lets through whatever its parsers raise
            return []
        values = [value] if isinstance(value, str) else list(value) if hasattr(value, "__iter__") else []
        return [str(one).strip(BLANK) for one in values]

    def items(self, keyword: str) -> list[Attributes]:
        """The items of a sequence; none if it is absent or damaged."""
        return [Attributes(item, self.notes) for item in self._sequence(keyword)]

    def item(self, keyword: str, position: int) -> Attributes | None:
        """One item of a sequence, counted from 0, or None if there is none."""
        found = self._sequence(keyword)
        return Attributes(found[position], self.notes) if position < len(found) else None

    def of_frame(self, frame: int, group: str) -> Iterator[Attributes]:
        """Where an attribute of a frame may stand: its own functional group, the shared one, then the header."""
        for groups, position in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
            of_frame = self.item(groups, position)
            item = of_frame.item(group, 0) if of_frame else None
            if item:
                yield item
        yield self

    def content(self, keyword: str) -> tuple[bytes, bool] | list[int] | None:
        """The value of a table's data: its bytes and whether they are little endian, or numbers; None if empty."""
        element = self.dataset.get_item(_tag(keyword))
        value = None if element is None else element.value
        if value is None or len(value if hasattr(value, "__len__") else [value]) == 0:
            return None
        if isinstance(value, bytes | bytearray):
            return bytes(value), bool(getattr(element, "is_little_endian", True))
        return [int(one) for one in (value if hasattr(value, "__iter__") else [value])]

    def __contains__(self, keyword: str) -> bool:
        element = self.dataset.get_item(_tag(keyword))
        return element is not None and element.value not in (None, "", b"")

    def _sequence(self, keyword: str) -> Any:
        if _tag(keyword) not in self.dataset:
            return ()
        try:
            value = self.dataset[_tag(keyword)].value
            return value if hasattr(value, "__getitem__") and not isinstance(value, str | bytes) else ()
        except Exception:  # noqa: BLE001 - pydicom lets through whatever its parsers raise
            self.note(f"{named(keyword)} is damaged: ignored")
            return ()

    def _number(self, keyword: str, value: Any) -> float | None:
        if isinstance(value, str):
            return self._parsed(keyword, value)
        number = float(value)
        if math.isfinite(number) and abs(number) <= LARGEST:
            return int(number) if isinstance(value, int | np.integer) else number
        self.note(f"{named(keyword)} is not a finite number: ignored")
        return None

    def _parsed(self, keyword: str, text: str) -> float | None:
        text = text.strip(BLANK)
        plain = text
        if GROUPED.fullmatch(text):
            decimal = max(text.rfind(","), text.rfind("."))
            plain = re.sub("[.,]", "", text[:decimal]) + "." + text[decimal + 1 :]
        found = NUMBER.match(plain)
        if not text:
            return None
        if found is None:
            self.note(f"{named(keyword)} holds no number: ignored")
            return None
        number = float(found[0].replace(",", "."))
        if not math.isfinite(number) or abs(number) > LARGEST:
            self.note(f"{named(keyword)} is not a finite number: ignored")
            return None
        if found[0] != text or "," in found[0]:
            quoted = text if HARMLESS.fullmatch(text) else "a number and more"
            self.note(f"{named(keyword)} holds {quoted}: read as {number:g}")
        return number


def _raw_numbers(element: Any) -> list[Any]:
    """The values of an element that pydicom has not parsed: numbers, or texts that should be numbers."""
    content = element.value or b""
    if not isinstance(content, bytes):
        return _values(content)
    vr = element.VR if element.VR in BINARY or element.VR in TEXT else _dictionary_vr(int(element.tag))
    if vr in BINARY:
        kind = np.dtype(BINARY[vr]).newbyteorder("<" if element.is_little_endian else ">")
        return list(np.frombuffer(content[: len(content) - len(content) % kind.itemsize], dtype=kind).tolist())
    return content.decode("latin-1").split("\\") if content.strip(BLANK.encode()) else []


def _values(value: Any) -> list[Any]:
    """The values of an element that pydicom has parsed."""
    if value is None or value == "" or isinstance(value, bytes):
        return []
    if isinstance(value, str):
        return value.split("\\")
    return ["" if one is None else one for one in value] if hasattr(value, "__iter__") else [value]
