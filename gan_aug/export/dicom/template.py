"""Files of one class, of which pydicom writes the first, and others differ in the bytes of a few elements.

pydicom needs some 2 ms to write a file. To put other values into what it wrote takes a twentieth of that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from pydicom import dcmwrite  # noqa: TID251 - the door
from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: TID251
from pydicom.dataset import Dataset  # noqa: TID251

from gan_aug.errors import GanAugError

PREAMBLE = 132
"""Bytes before the first element: the preamble and DICM."""

GROUP_LENGTH, PIXEL_DATA = 0x00020000, 0x7FE00010
UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"

LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
"""Value representations whose length has four bytes, after two that are reserved."""


class Template:
    """A file as pydicom wrote it, cut at the elements whose values are each file's own."""

    def __init__(self, dataset: Dataset, own: Mapping[str, str]) -> None:
        """Let pydicom write `dataset`, and cut what it wrote.

        Args:
            dataset: A whole file in explicit VR little endian, or compressed.
            own: The values in it, by keyword, that differ between files.

        Raises:
            GanAugError: The file cannot be made again from its parts, which is a fault of this program.
        """
        written = by_pydicom(dataset)
        tags = {int(tag_for_keyword(keyword) or 0): keyword for keyword in own}
        self._parts: list[bytes | str] = []
        self._undefined_length = False
        start = 0
        for tag, begin, value, end in _elements(written):
            if tag in tags or tag in (GROUP_LENGTH, PIXEL_DATA):
                self._parts += [written[start:begin], tags.get(tag, f"{tag:08x}")]
                start = end
            if tag == PIXEL_DATA:
                self._pixel_header = written[begin : value - 4]
                self._undefined_length = written[value - 4 : value] == b"\xff" * 4
            if tag >> 16 == 2:
                meta_end = end
        self._parts.append(written[start:])
        self._headers = {keyword: _Header(keyword) for keyword in own}
        meta = sum(len(self._headers[key](own[key])) for tag, key in tags.items() if tag >> 16 == 2)
        # The length counts from the end of its own element, which has 12 bytes.
        self._meta_length = meta_end - PREAMBLE - 12 - meta
        if self.file(own, dataset.PixelData) != written:
            raise GanAugError("a DICOM file cannot be put together from the parts that pydicom wrote")

    def file(self, own: Mapping[str, str], pixels: bytes) -> bytes:
        """The file with other values.

        Args:
            own: By the same keywords.
            pixels: The value of Pixel Data, of even length.

        Returns:
            The bytes that pydicom would write.
        """
        elements = {keyword: self._headers[keyword](value) for keyword, value in own.items()}
        meta = sum(len(element) for keyword, element in elements.items() if self._headers[keyword].is_meta)
        elements["00020000"] = struct.pack("<HH2sHI", 2, 0, b"UL", 4, self._meta_length + meta)
        length = UNDEFINED if self._undefined_length else len(pixels)
        elements["7fe00010"] = self._pixel_header + struct.pack("<I", length) + pixels
        if self._undefined_length:
            elements["7fe00010"] += SEQUENCE_END
        return b"".join([part if isinstance(part, bytes) else elements[part] for part in self._parts])


def by_pydicom(dataset: Dataset) -> bytes:
    """The file of `dataset` as pydicom writes it."""
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


class _Header:
    """Writes an element of one tag from its text."""

    def __init__(self, keyword: str) -> None:
        tag = int(tag_for_keyword(keyword) or 0)
        vr = dictionary_VR(tag).encode()
        self._head, self._padding = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr), b"\0" if vr == b"UI" else b" "
        self.is_meta = tag >> 16 == 2

    def __call__(self, text: str) -> bytes:
        value = text.encode()
        if len(value) % 2:
            value += self._padding
        return self._head + struct.pack("<H", len(value)) + value


def _elements(written: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The elements of a file at its top level: tag, and where the element, its value, and what follows it begin."""
    at = PREAMBLE
    while at < len(written):
        group, element, vr = struct.unpack_from("<HH2s", written, at)
        value = at + (12 if vr in LONG else 8)
        (length,) = struct.unpack_from("<I" if vr in LONG else "<H", written, value - (4 if vr in LONG else 2))
        end = len(written) if length == UNDEFINED else value + length
        yield group << 16 | element, at, value, end
        at = end
