"""Compressed pixel data: which fragments make a frame, and what a frame says of itself, which codecs obey.

The DICOM header around it may say otherwise: another size, another codec, another colour space.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from gan_aug.errors import DataError

ITEM = b"\xfe\xff\x00\xe0"
"""The tag of an item, which begins compressed pixel data."""

SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""The second byte of the start-of-frame markers of JPEG and (the last one) of JPEG-LS."""

SCAN, APP0, APP14 = 0xDA, 0xE0, 0xEE

SIZE = b"\xff\x4f\xff\x51"
"""The start of a JPEG 2000 codestream: the markers SOC and SIZ."""

CODING_STYLE = b"\xff\x52"

JPEG2000 = (SIZE, b"\x00\x00\x00\x0cjP  ", b"\x0d\x0a\x87\x0a")
"""How a frame of JPEG 2000 starts: with the codestream itself, or with the signature of a JP2 file that holds it."""

BASELINE, EXTENDED, LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"
JPEG_LS, JPEG_2000, RLE = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"

SYNTAXES = {
    "jpeg": {f"1.2.840.10008.1.2.4.{number}" for number in (*range(50, 67), 70)},
    "jpeg-ls": {JPEG_LS, "1.2.840.10008.1.2.4.81"},
    "jpeg-2000": {f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203)},
    "rle": {RLE},
}
"""The transfer syntaxes of each family of codecs, retired ones too."""


@dataclass(frozen=True)
class Codestream:
    """What a compressed frame says of itself.

    Attributes:
        family: The family of its codec.
        syntax: A transfer syntax that it can be decoded by.
        rows: Height in pixels; 0 if it is given only after the scan.
        columns: Width in pixels.
        components: Values per pixel.
        precision: Bits per value.
        colour: The colour space if the frame tells it. JPEG 2000 with a component transform decodes to RGB.
        scan: The position of the parameters of the first scan of a JPEG frame, else None.
        adobe: Beginning and end of the marker of a JPEG frame by which some codecs convert colours on their own.
        signed: Whether values are signed.
        sequential: Whether it is JPEG of a process that has all coefficients in one scan.
    """

    family: Literal["jpeg", "jpeg-ls", "jpeg-2000"]
    syntax: str
    rows: int
    columns: int
    components: int
    precision: int
    colour: Literal["RGB", "YBR_FULL"] | None = None
    scan: int | None = None
    adobe: tuple[int, int] | None = None
    signed: bool = False
    sequential: bool = False


def read_codestream(frame: bytes) -> Codestream | None:
    """What a JPEG, JPEG-LS or JPEG 2000 frame says of itself; None if it is in another format or damaged."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg(frame)
    # Search for the marker in JPEG 2000 only: frames in other formats, such as RLE, may hold its bytes by chance.
    if not frame.startswith(JPEG2000):
        return None
    start = frame.find(SIZE, 0, 4096)
    return None if start < 0 else _jpeg2000(frame, start + 4)


def _jpeg2000(frame: bytes, at: int) -> Codestream | None:
    size = frame[at : at + 41]
    if len(size) < 39:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", size, 4)
    components, bits = struct.unpack_from(">HB", size, 36)
    style = at + int.from_bytes(size[:2], "big")
    transformed = False
    while style + 9 <= len(frame) and frame[style] == 0xFF and frame[style + 1] != 0x90:
        if frame[style : style + 2] == CODING_STYLE:
            transformed = frame[style + 8] == 1
            break
        style += 2 + int.from_bytes(frame[style + 2 : style + 4], "big")
    return Codestream(
        "jpeg-2000", JPEG_2000, max(0, bottom - top), max(0, right - left), components, (bits & 0x7F) + 1,
        "RGB" if transformed and components == 3 else None, signed=bool(bits & 0x80),
    )  # fmt: skip


def _jpeg(frame: bytes) -> Codestream | None:
    at = 2
    colour: Literal["RGB", "YBR_FULL"] | None = None
    found: Codestream | None = None
    adobe: tuple[int, int] | None = None
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return found
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        segment = frame[at + 4 : at + 2 + length]
        if marker in SOF:
            found = _frame_header(marker, segment)
        elif marker == SCAN:
            return found and replace(found, colour=found.colour or colour, scan=at + 4, adobe=adobe)
        else:
            colour = colour or _application_colour(marker, segment)
            adobe = (at, at + 2 + length) if marker == APP14 else adobe
        at += 2 + length
    return found


def _frame_header(marker: int, segment: bytes) -> Codestream | None:
    if len(segment) < 6:
        return None
    precision, rows, columns, components = struct.unpack_from(">BHHB", segment)
    parts = segment[6 : 6 + 3 * components]
    colour: Literal["RGB", "YBR_FULL"] | None = None
    if components == 3 and marker != 0xF7:
        if parts[::3] in (b"RGB", b"rgb"):
            colour = "RGB"
        elif len(set(parts[1::3])) > 1:  # only colour differences are ever stored with fewer pixels
            colour = "YBR_FULL"
    if marker == 0xF7:
        return Codestream("jpeg-ls", JPEG_LS, rows, columns, components, precision, colour)
    lossless = marker in (0xC3, 0xC7, 0xCB, 0xCF)
    syntax = LOSSLESS if lossless else BASELINE if marker == 0xC0 and precision == 8 else EXTENDED
    sequential = marker in (0xC0, 0xC1, 0xC9)
    return Codestream("jpeg", syntax, rows, columns, components, precision, colour, sequential=sequential)


def _application_colour(marker: int, segment: bytes) -> Literal["RGB", "YBR_FULL"] | None:
    """The colour space by an application's marker: JFIF is always YCbCr, Adobe's says which."""
    if marker == APP0 and segment[:4] == b"JFIF":
        return "YBR_FULL"
    if marker == APP14 and segment[:5] == b"Adobe" and len(segment) >= 12:
        return "YBR_FULL" if segment[11] == 1 else "RGB" if segment[11] == 0 else None
    return None


def with_valid_scan(frame: bytes, stream: Codestream) -> bytes:
    """The frame with Ss = 0 and Se = 63, as a sequential scan must have them (ITU-T T.81 B.2.3).

    Some writers leave Se at 0, which one of the codecs refuses.
    """
    if not stream.sequential or stream.scan is None or stream.scan >= len(frame):
        return frame
    place = stream.scan + 1 + 2 * frame[stream.scan]
    return frame[:place] + b"\x00\x3f" + frame[place + 2 :] if place + 2 < len(frame) else frame


def without_adobe(frame: bytes, stream: Codestream) -> bytes:
    """The frame without Adobe's marker, so that every codec leaves the colours as they are stored."""
    return frame if stream.adobe is None else frame[: stream.adobe[0]] + frame[stream.adobe[1] :]


def has_end(frame: bytes) -> bool:
    """Whether a JPEG, JPEG-LS or JPEG 2000 frame has its end marker, which cannot stand within its image."""
    return frame.rfind(b"\xff\xd9") >= 0


@dataclass(frozen=True)
class Fragments:
    """Compressed pixel data as it stands in a file.

    Attributes:
        found: The fragments that are whole.
        starts: The position of each, from the first.
        offsets: The Basic Offset Table.
        truncated: Whether the file ends within a further fragment.
    """

    found: list[bytes]
    starts: list[int]
    offsets: list[int]
    truncated: bool


def fragments_of(pixel_data: bytes) -> Fragments:
    """The fragments of compressed pixel data."""
    items, places = [], []
    at, truncated = 0, False
    while pixel_data[at : at + 4] == ITEM and not truncated:
        length = int.from_bytes(pixel_data[at + 4 : at + 8], "little")
        content = pixel_data[at + 8 : at + 8 + length]
        truncated = len(content) < length
        if not truncated:
            items.append(content)
            places.append(at)
        at += 8 + length
    table = items[0] if items else b""
    offsets = [value for (value,) in struct.iter_unpack("<I", table[: len(table) // 4 * 4])]
    return Fragments(items[1:], [place - places[1] for place in places[1:]], offsets, truncated)


def frame_of(fragments: Fragments, extended: Sequence[int], frames: int, frame: int) -> bytes:
    """One compressed frame.

    An offset table is used only where it is needed, which is if frames have several fragments each, and only if it
    points at fragments.

    Args:
        fragments: All fragments.
        extended: The Extended Offset Table (7FE0,0001), or nothing.
        frames: The number of frames.
        frame: The frame, counted from 0.

    Returns:
        Its bytes.

    Raises:
        DataError: If it is not all there, or the fragments cannot be told apart.
    """
    found = fragments.found
    if fragments.truncated and frame >= min(frames, len(found) + 1) - 1:
        raise DataError("its pixel data is truncated: the file ends within a compressed image")
    if frames == 1:
        return b"".join(found[: [*beginnings(fragments)[1:2], len(found)][0]])
    if len(found) > frames:
        firsts = _first_fragments(fragments, extended, frames)
        return b"".join(found[firsts[frame] : [*firsts, len(found)][frame + 1]])
    if frame >= len(found):
        raise DataError(f"its pixel data has {len(found)} of the {frames} frames that its header claims")
    return found[frame]


def beginnings(fragments: Fragments) -> list[int]:
    """The number of each fragment that begins a JPEG, JPEG-LS or JPEG 2000 image."""
    return [number for number, one in enumerate(fragments.found) if one.startswith((b"\xff\xd8\xff", *JPEG2000))]


def _first_fragments(fragments: Fragments, extended: Sequence[int], frames: int) -> list[int]:
    """The number of the first fragment of each frame, by a table that makes sense, else by how frames begin."""
    known = {start: number for number, start in enumerate(fragments.starts)}
    for table in (extended, fragments.offsets):
        firsts = [known.get(offset, -1) for offset in table]
        if len(firsts) == frames and firsts[0] == 0 and all(a < b for a, b in pairwise(firsts)):
            return firsts
    firsts = beginnings(fragments)
    if len(firsts) != frames or firsts[0] != 0:
        raise DataError(
            f"its {frames} frames are in {len(fragments.found)} fragments, and neither an offset table nor the "
            "fragments say which belong together"
        )
    return firsts
