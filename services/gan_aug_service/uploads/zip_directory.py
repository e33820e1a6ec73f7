"""The directory of an uploaded zip, counted on disk before zipfile reads all of it into memory."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile

ENTRY_BYTES = 512
"""Bytes that an entry of the directory may take on average: its name, twice if it is not ASCII, and its times."""

_END, _LOCATOR, _END64, _ENTRY = (
    struct.Struct(layout) for layout in ("<4s4H2LH", "<4sLQL", "<4sQ2H2L4Q", "<4s6H3L5H2L")
)
_COMMENT = 1 << 16
"""The longest comment that may follow the end record."""


class Directory(NamedTuple):
    """Where the directory of a zip begins, and how many bytes it has."""

    start: int
    size: int


def count_entries(archive: Path, most: int) -> int:
    """How many entries the directory of a zip has; `most + 1` stands for any number above `most`.

    They are counted one by one, whatever number the zip itself states, and none is kept in memory. A directory of more
    than ENTRY_BYTES for each of `most` entries counts as above it too. Raises BadZipFile if there is no directory.
    """
    with archive.open("rb") as file:
        found = _find(file)
        if found.size > most * ENTRY_BYTES:
            return most + 1
        file.seek(found.start)
        count, left = 0, found.size
        while left > 0 and count <= most:
            head = file.read(_ENTRY.size)
            if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02"):
                raise BadZipFile("its directory is damaged")
            rest = sum(_ENTRY.unpack(head)[10:13])  # name, extra fields, comment
            file.seek(rest, os.SEEK_CUR)
            count, left = count + 1, left - _ENTRY.size - rest
    return count


def _find(file: BinaryIO) -> Directory:
    """The directory that zipfile reads: as long as the last end record says, and right before it."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _COMMENT - _END.size))
    tail = file.read()
    end = len(tail) - _END.size
    if not (tail[max(0, end) :].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0")):
        end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _END.size:
        raise BadZipFile("it has no directory")
    size = _END.unpack_from(tail, end)[5]
    position = length - len(tail) + end
    zip64 = position - _LOCATOR.size - _END64.size
    if zip64 >= 0:
        file.seek(zip64)
        record, locator = file.read(_END64.size), file.read(_LOCATOR.size)
        if locator.startswith(b"PK\x06\x07") and record.startswith(b"PK\x06\x06"):
            size, position = _END64.unpack(record)[8], zip64
    if size > position:
        raise BadZipFile("its directory is damaged")
    return Directory(position - size, size)
