"""What a compressed frame says of its own size: codecs believe it, and not the DICOM header around it."""

from __future__ import annotations

SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Start-of-frame markers of JPEG and, last, of JPEG-LS."""

SIZE = b"\xff\x4f\xff\x51"
"""A JPEG 2000 codestream starts with this marker and that of its size."""

JPEG2000 = (SIZE, b"\x00\x00\x00\x0cjP  ", b"\x0d\x0a\x87\x0a")
"""How a frame of JPEG 2000 starts: with the codestream, or with the signature of a JP2 file around it."""


def frame_pixels(frame: bytes) -> int | None:
    """Rows x columns that the JPEG, JPEG-LS or JPEG 2000 stream in `frame` claims; None for what is none of them."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg(frame)
    # Nowhere but in JPEG 2000: the runs of an RLE frame hold its marker by chance often enough.
    if not frame.startswith(JPEG2000):
        return None
    place = frame.find(SIZE, 0, 4096)
    return None if place < 0 else _jpeg2000(frame[place + 4 : place + 24])


def _jpeg2000(size: bytes) -> int | None:
    if len(size) < 20:
        return None
    right, bottom, left, top = (int.from_bytes(size[k : k + 4], "big") for k in (4, 8, 12, 16))
    return max(0, right - left) * max(0, bottom - top)


def _jpeg(frame: bytes) -> int | None:
    place = 2
    while place + 9 <= len(frame):
        if frame[place] != 0xFF:
            return None
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in SOF:
            return int.from_bytes(frame[place + 5 : place + 7], "big") * int.from_bytes(
                frame[place + 7 : place + 9], "big"
            )
        else:
            place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None
