"""The image size that a compressed frame states itself: codecs use it, and not the DICOM header."""

from __future__ import annotations

SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""The second byte of the start-of-frame markers of JPEG and (the last one) of JPEG-LS."""

SIZE = b"\xff\x4f\xff\x51"
"""The start of a JPEG 2000 codestream: the markers SOC and SIZ."""

JPEG2000 = (SIZE, b"\x00\x00\x00\x0cjP  ", b"\x0d\x0a\x87\x0a")
"""How a frame of JPEG 2000 starts: with the codestream itself, or with the signature of a JP2 file that holds it."""


def frame_pixels(frame: bytes) -> int | None:
    """Rows x columns that a JPEG, JPEG-LS or JPEG 2000 frame states; None if the frame is in another format."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg(frame)
    # Search for the marker in JPEG 2000 only: frames in other formats, such as RLE, may hold its bytes by chance.
    if not frame.startswith(JPEG2000):
        return None
    start = frame.find(SIZE, 0, 4096)
    return None if start < 0 else _jpeg2000(frame[start + 4 : start + 24])


def _jpeg2000(size: bytes) -> int | None:
    if len(size) < 20:
        return None
    right, bottom, left, top = (int.from_bytes(size[k : k + 4], "big") for k in (4, 8, 12, 16))
    return max(0, right - left) * max(0, bottom - top)


def _jpeg(frame: bytes) -> int | None:
    at = 2
    while at + 9 <= len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in SOF:
            return int.from_bytes(frame[at + 5 : at + 7], "big") * int.from_bytes(frame[at + 7 : at + 9], "big")
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
