"""Look-up tables: Modality LUT, VOI LUT and palettes, as files hold them and as they are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.dicom.attributes import Attributes, named

BITS = (8, 10, 11, 12, 13, 14, 15, 16)
"""The bits per entry that the standard allows."""


@dataclass(frozen=True, eq=False)
class LookUpTable:
    """A table of whole numbers.

    Attributes:
        first: The value that is mapped to the first entry; lower ones get it too.
        entries: `(N,) uint16`.
        bits: The bits per entry that the file claims, or None.
    """

    first: int
    entries: npt.NDArray[np.uint16]
    bits: int | None

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """The entries for `values`, which are rounded to whole numbers."""
        indices = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        found: npt.NDArray[np.uint16] = self.entries[indices]
        return found


def read_table(item: Attributes, descriptor: str, data: str, inputs: tuple[float, float]) -> LookUpTable | None:
    """Read a table.

    Args:
        item: The attributes that hold it.
        descriptor: The keyword of its descriptor: number of entries, first value mapped, bits per entry.
        data: The keyword of its entries.
        inputs: The lowest and highest value that can be looked up; they tell whether the first value is signed.

    Returns:
        The table, or None if it is absent or unusable; it is noted if only a part of it is there.
    """
    described = [None if one is None else int(one) for one in item.numbers(descriptor)]
    content = item.content(data)
    if not described and content is None:  # some writers leave a table in which every value is empty
        return None
    if content is None or len(described) < 2 or described[0] is None or described[1] is None:
        item.note(f"{named(data if content is None else descriptor)} is absent or incomplete: the table is ignored")
        return None
    count = described[0] % 2**16 or 2**16
    entries = _entries(content, count)
    if not len(entries):
        item.note(f"{named(data)} holds no entries: the table is ignored")
        return None
    if len(entries) < count:
        item.note(
            f"{named(data)} holds {len(entries)} entries and {named(descriptor)} says {count}: those held are used"
        )
    first = _first(described[1], len(entries), inputs)
    if first != described[1]:
        item.note(f"{named(descriptor)} gives {described[1]} as the first value mapped: read as {first}")
    return LookUpTable(first, entries[:count], described[2] if len(described) > 2 else None)


COLOURS = ("Red", "Green", "Blue")


def read_palette(header: Attributes, inputs: tuple[float, float]) -> tuple[tuple[LookUpTable, ...], int] | None:
    """The tables of red, green and blue, and the bits of their entries; None if one is absent or unusable."""
    found = []
    for colour in COLOURS:
        name = f"{colour}PaletteColorLookupTable"
        if table := read_table(header, f"{name}Descriptor", f"{name}Data", inputs):
            found.append(table)
    if len(found) < len(COLOURS):
        return None
    largest = max(int(table.entries.max()) for table in found)
    return tuple(found), depth(header, "RedPaletteColorLookupTableDescriptor", found[0].bits, largest)


def depth(item: Attributes, descriptor: str, bits: int | None, largest: int) -> int:
    """The bits that entries span, so that `2**bits - 1` is white: those that the file claims, unless entries belie it.

    Args:
        item: What holds the table; gets a note.
        descriptor: The keyword of the table's descriptor.
        bits: The bits that it claims.
        largest: The largest entry.

    Returns:
        The bits.
    """
    needed = next(one for one in BITS if largest < 2**one)
    if bits not in BITS:
        item.note(f"{named(descriptor)} gives no valid number of bits: {needed} are assumed, as the entries need")
        return needed
    # With two bits unused the picture would be nearly black: such writers give the bits of the word around an entry.
    if largest >= 2**bits or 0 < largest < 2**bits // 4:
        item.note(f"{named(descriptor)} says {bits} bits and the entries need {needed}: {needed} are assumed")
        return needed
    return bits


def _entries(content: tuple[bytes, bool] | list[int], count: int) -> npt.NDArray[np.uint16]:
    """The entries: of 16 bits, or of 8 bits, two in a word, if there are just enough bytes for that."""
    if isinstance(content, list):
        words = np.array(content, dtype=np.int64).astype("<u2")
    else:
        data, little = content
        words = np.frombuffer(data[: len(data) - len(data) % 2], dtype="<u2" if little else ">u2").astype("<u2")
        if len(data) % 2 and len(data) in (count, count + 1):
            return np.frombuffer(data, dtype=np.uint8).astype(np.uint16)
    if count <= 2 * len(words) <= count + 1:
        # Of two 8-bit entries in a word the first is the lower byte (PS3.3 C.7.6.3.1.6), in either byte order.
        return words.view(np.uint8).astype(np.uint16)
    return words.astype(np.uint16)


def _first(first: int, count: int, inputs: tuple[float, float]) -> int:
    """The first value mapped, signed or not: whichever covers more of what can be looked up."""
    low, high = inputs

    def covered(start: int) -> float:
        return min(high, start + count - 1) - max(low, start)

    other = first - 2**16 if first >= 2**15 else first + 2**16 if first < 0 else first
    gain = covered(other) - max(covered(first), -1)
    # If both would do, the standard asks for the sign of what is looked up.
    return other if gain > 0 or (gain == 0 and other < 0 > low) else first
