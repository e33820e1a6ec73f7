"""Open a DICOM file: no more bytes are read or inflated than its size allows, whatever its header says."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.attributes import Attributes
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.data.dicom.pixel_module import ELEMENTS, Element
from gan_aug.errors import DataError

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax Deflated Explicit VR Little Endian."""

INFLATED = b"1.2.840.10008.1.2.1\0\0\0"
"""The transfer syntax of what it holds once it is inflated, of the same length."""

GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
"""GE's private transfer syntax: Implicit VR Little Endian with big endian pixels."""

HEADER_BYTES = 64 * 2**20
"""Bytes that a header may have, in addition to the pixels."""

FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
"""How a dataset without a preamble begins: with group 2 or 8, in either byte order."""

UNDEFINED_LENGTH = 0xFFFFFFFF
"""The length of encapsulated (compressed) pixel data."""


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """What a file holds.

    Attributes:
        dataset: The pydicom dataset of all attributes that were asked for, up to the pixels.
        element: The element that holds the pixels, or None if there is none.
        vr: Its value representation, or None if the file does not give it.
        length: Its length in bytes; None if that is undefined, as for compressed pixels.
        present: How many bytes the file has for it, up to its end.
        data: These bytes, if they were asked for.
        place: Where they begin in the file on disk; None if the file is in an archive or deflated.
    """

    dataset: Any = field(repr=False)
    element: Element | None
    vr: str | None
    length: int | None
    present: int
    data: bytes = field(repr=False)
    place: int | None = None

    @property
    def syntax(self) -> str:
        """The transfer syntax that the File Meta Information names, or an empty text."""
        return Attributes(self.dataset.file_meta).text("TransferSyntaxUID")

    @property
    def big_endian(self) -> bool:
        """Whether uncompressed pixels are big endian: as the header is, but for GE's private syntax."""
        return self.dataset.original_encoding[1] is False or self.syntax == GE_BIG_ENDIAN_PIXELS


def byte_limit(config: DicomConfig) -> int:
    """The bytes that a file may have: four 16-bit samples for each of `max_pixels` pixels, and HEADER_BYTES."""
    return 8 * config.max_pixels + HEADER_BYTES


def open_file(file: DicomFile, config: DicomConfig, tags: Sequence[Any], *, pixels: bool = False) -> OpenedFile:
    """Read the attributes `tags` of `file`.

    Args:
        file: The file.
        config: Holds the size limit.
        tags: The tags to keep.
        pixels: Whether to read the pixel data too.

    Returns:
        What it holds.

    Raises:
        UnreadError: If the file cannot be read now.
        DataError: If it is not a DICOM file, is damaged, or is larger than allowed.
    """
    from pydicom.errors import InvalidDicomError  # noqa: TID251
    from pydicom.filereader import read_partial  # noqa: TID251

    stream, size = file.open(byte_limit(config))
    with stream:
        source = on_disk = _BoundedFile(stream, size)
        start = source.beginning()
        if (inner := _second_beginning(start)) is not None:
            source.seek(inner)
            source = _BoundedFile(BytesIO(source.read()), size - inner)
            start = source.beginning()
        if DEFLATED in start:
            inflated = _inflated(start, source.read(), byte_limit(config))
            source = _BoundedFile(BytesIO(inflated), len(inflated))
        found: list[tuple[Element, str | None, int, int]] = []

        def at_pixels(tag: Any, vr: str | None, length: int) -> bool:
            if (element := ELEMENTS.get(int(tag))) is not None:
                found.append((element, vr, length, source.tell()))
            return element is not None

        # Without the prefix DICM pydicom accepts any bytes as DICOM: the caller must check what was read.
        bare = start[128:132] != b"DICM"
        with _damage(source, "not a DICOM file" if bare and start[:2] not in FIRST_GROUPS else ""):
            try:
                dataset = read_partial(source, at_pixels, force=bare, specific_tags=list(tags))  # type: ignore[arg-type]
            except InvalidDicomError as error:
                raise DataError("not a DICOM file") from error
        if not found:
            return OpenedFile(dataset, None, None, None, 0, b"")
        element, vr, length, place = found[0]
        source.seek(place)
        left = source.left()
        held = left if length == UNDEFINED_LENGTH else min(length, left)
        data = source.read(held) if pixels else b""
        known = place if source is on_disk and not file.member else None
        return OpenedFile(dataset, element, vr, None if length == UNDEFINED_LENGTH else length, held, data, known)


def _second_beginning(start: bytes) -> int | None:
    """Where a whole file begins within the file, behind its File Meta Information; None if it has one beginning."""
    if start[128:136] != b"DICM\x02\x00\x00\x00":
        return None
    end = 144 + int.from_bytes(start[140:144], "little")
    return end if start[end + 128 : end + 132] == b"DICM" else None


@contextmanager
def _damage(source: _BoundedFile, reason: str) -> Iterator[None]:
    """Turn what pydicom raises within the block into a DataError: also an OSError, which it raises for a lack of bytes.

    `reason` is what it says, unless it is empty; then it says what is wrong with the header.
    """
    try:
        yield
    except DataError:
        raise
    except MemoryError as error:
        raise UnreadError("there is not enough memory to read it") from error
    except Exception as error:  # pydicom lets through whatever its parsers raise
        damaged = "the file is truncated within its header" if source.exhausted else "its header is damaged"
        raise DataError(reason or damaged) from error


def _inflated(start: bytes, content: bytes, limit: int) -> bytes:
    """The file as it would be without deflation, of up to `limit` bytes: pydicom would inflate without any limit."""
    if start[128:132] != b"DICM" or start[132:136] != b"\x02\x00\x00\x00":
        raise DataError("it is deflated and has no File Meta Information Group Length (0002,0000)")
    offset = 144 + int.from_bytes(start[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        dataset = inflater.decompress(content[offset:], limit)
    except zlib.error as error:
        raise DataError("its deflated content is truncated or corrupt") from error
    if inflater.unconsumed_tail:
        raise DataError("its deflated content is larger than data.dicom.max_pixels allows")
    return content[:offset].replace(DEFLATED, INFLATED) + dataset


class _BoundedFile:
    """A file that never reads past its end: Python would allocate as much memory as a false length says."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size = stream, size
        self.exhausted = False
        """Whether more was asked for than is there."""
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def beginning(self) -> bytes:
        """The first bytes, enough for the File Meta Information; the position is then at the start again."""
        start = self.read(4096)
        self.seek(0)
        self.exhausted = False
        return start

    def left(self) -> int:
        """The bytes from the position to the end."""
        return max(0, self._size - int(self._stream.tell()))

    def read(self, count: int = -1) -> bytes:
        left = self.left()
        self.exhausted |= count > left
        try:
            content: bytes = self._stream.read(left if count < 0 else min(count, left))
        except OSError as error:
            raise UnreadError("the disk or network failed while it was read") from error
        return content
