"""DICOM files byte by byte, so that a header can hold what no library would write."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: TID251

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
LONG = {"OB", "OW", "OF", "OD", "SQ", "UN", "UT"}
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "OF": "f"}
CT = "1.2.840.10008.5.1.4.1.1.2"
UNDEFINED = 0xFFFFFFFF

Value = Any
"""Bytes, text, numbers, or (VR, one of these); a list of headers is a sequence. None leaves the attribute out."""

Header = dict[str, Value]

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def film(pixels: NDArray[Any] = RAMP, **attributes: Value) -> Header:
    """The header of a film of 12 bits in 16, or of 8, whose window leaves values as they are."""
    small = pixels.dtype.itemsize == 1
    stored = 8 if small else 12
    made = {
        "SOPClassUID": CT, "SOPInstanceUID": "1.2.3.4", "Modality": "CT", "PatientID": "P1",
        "StudyInstanceUID": "1.2.3", "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "BitsAllocated": 8 if small else 16,
        "BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": 0,
        "WindowCenter": "128" if small else "2048", "WindowWidth": "256" if small else "4096",
        "PixelData": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
    }  # fmt: skip
    return {name: value for name, value in (made | attributes).items() if value is not None}


def written(header: Header, syntax: str = EXPLICIT, *, meta: bool = True, preamble: bool = True) -> bytes:
    """The bytes of a file with these attributes.

    Args:
        header: The attributes.
        syntax: The transfer syntax.
        meta: Whether there is File Meta Information.
        preamble: Whether it begins with a preamble and DICM.

    Returns:
        The bytes.
    """
    uid = element("TransferSyntaxUID", syntax, EXPLICIT)
    length = element("FileMetaInformationGroupLength", len(uid), EXPLICIT)
    return (bytes(128) + b"DICM") * preamble + (length + uid) * meta + dataset(header, syntax)


def dataset(header: Header, syntax: str = EXPLICIT) -> bytes:
    """The elements in the order of their tags."""
    names = sorted(header, key=lambda name: tag_for_keyword(name) or 0)
    return b"".join(element(name, header[name], syntax) for name in names)


def element(name: str, value: Value, syntax: str) -> bytes:
    """One element."""
    tag = tag_for_keyword(name)
    assert tag is not None, name
    order = ">" if syntax == BIG else "<"
    vr = dictionary_VR(tag).split(" ")[0]
    if name == "PixelData":
        vr = "OW" if len(value) % 2 == 0 else "OB"
    if isinstance(value, tuple):
        vr, value = value
    content, length = _content(vr, value, syntax, order)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack(order + "I", length) + content
    if vr in LONG:
        return head + vr.encode() + bytes(2) + struct.pack(order + "I", length) + content
    return head + vr.encode() + struct.pack(order + "H", length) + content


def _content(vr: str, value: Value, syntax: str, order: str) -> tuple[bytes, int]:
    if vr == "SQ":
        items = [dataset(item, syntax) for item in value]
        content = b"".join(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    elif isinstance(value, bytes):
        content = value
        if value[:4] == b"\xfe\xff\x00\xe0" and value[-8:] == b"\xfe\xff\xdd\xe0\0\0\0\0":
            return content, UNDEFINED
    elif vr in NUMBERS:
        values = value if isinstance(value, Iterable) else [value]
        content = b"".join(struct.pack(order + NUMBERS[vr], one) for one in values)
    else:
        content = str(value).encode("latin-1")
    padded = content + (b"\0" if vr in ("UI", "OB") else b" ") * (len(content) % 2)
    return padded, len(padded)


def fragments(frames: Iterable[bytes], offsets: Iterable[int] = ()) -> bytes:
    """Encapsulated pixel data of one fragment a frame."""
    table = b"".join(struct.pack("<I", offset) for offset in offsets)
    items = [table, *(frame + b"\0" * (len(frame) % 2) for frame in frames)]
    return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items) + (
        b"\xfe\xff\xdd\xe0\0\0\0\0"
    )


def table(entries: NDArray[Any], descriptor: list[int], **more: Value) -> list[Header]:
    """A sequence with one look-up table; 8-bit entries are packed, two in a word."""
    first = ("SS", descriptor) if min(descriptor) < 0 else ("US", descriptor)
    return [{"LUTDescriptor": first, "LUTData": ("OW", entries.tobytes()), **more}]
