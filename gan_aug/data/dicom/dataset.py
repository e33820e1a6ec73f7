"""Open a DICOM file: no more bytes are read or inflated than its size allows, whatever its header says."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.errors import DataError

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax Deflated Explicit VR Little Endian."""

HEADER_BYTES = 64 * 2**20
"""Bytes that a header may have, in addition to the pixels."""


def byte_limit(config: DicomConfig) -> int:
    """The bytes that a file may have: four 16-bit samples for each of `max_pixels` pixels, and HEADER_BYTES."""
    return 8 * config.max_pixels + HEADER_BYTES


def open_dataset(
    file: DicomFile, config: DicomConfig, stop: Callable[..., bool] | None, tags: Any = None
) -> tuple[Any, int]:
    """Read the dataset in `file`.

    Args:
        file: The file.
        config: Holds the size limit.
        stop: Called by pydicom before each element, as `stop(tag, vr, length)`; reading ends when it returns True.
            None reads the whole dataset.
        tags: The tags to keep; None keeps all.

    Returns:
        The pydicom dataset, and the number of bytes in the file after the point where reading ended.

    Raises:
        UnreadError: If the file cannot be read now.
        DataError: If it is not a DICOM file, is damaged, or is larger than allowed.
    """
    from pydicom.errors import InvalidDicomError  # noqa: TID251
    from pydicom.filereader import read_partial  # noqa: TID251

    stream, size = file.open(byte_limit(config))
    with stream, _disk_errors():
        start = stream.read(4096)
        stream.seek(0)
        if DEFLATED in start:
            _check_deflated(start, stream.read(size), byte_limit(config))
            stream.seek(0)
        # Without the prefix DICM pydicom accepts any bytes as DICOM: the caller must check what was read.
        bare = start[128:132] != b"DICM"
        source = _BoundedFile(stream, size)
        try:
            dataset = read_partial(source, stop_when=stop, force=bare, specific_tags=tags)  # type: ignore[arg-type]
            return dataset, size - source.tell()
        except InvalidDicomError as error:
            raise DataError("not a DICOM file") from error
        except OSError:
            raise
        except MemoryError as error:
            raise UnreadError("there is not enough memory to read it") from error
        except Exception as error:  # pydicom lets through whatever its parsers raise
            reason = "not a DICOM file" if bare else "its header is truncated or corrupt"
            raise DataError(reason) from error


def _check_deflated(start: bytes, content: bytes, limit: int) -> None:
    """Inflate up to `limit` bytes: pydicom would inflate a decompression bomb without any limit."""
    if start[128:132] != b"DICM" or start[132:136] != b"\x02\x00\x00\x00":
        raise DataError("it is deflated and has no File Meta Information Group Length (0002,0000)")
    offset = 144 + int.from_bytes(start[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflater.decompress(content[offset:], limit)
    except zlib.error as error:
        raise DataError("its deflated content is truncated or corrupt") from error
    if inflater.unconsumed_tail:
        raise DataError("its deflated content is larger than data.dicom.max_pixels allows")


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadError("the disk or network failed while it was read") from error


class _BoundedFile:
    """A file that never reads past its end: Python would allocate as much memory as a false length says."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size = stream, size
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._stream.tell())
        content: bytes = self._stream.read(left if count < 0 else min(count, left))
        return content
