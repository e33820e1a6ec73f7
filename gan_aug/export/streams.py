"""Files that are made while they are sent: nothing is written to disk, and little is in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

Member = tuple[str, Iterable[bytes]]
"""A file in a zip: its name, and its content in parts."""

MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time in every entry of a zip, so that the same set is the same bytes."""

CHUNK = 1 << 18
"""About this many bytes are read, or sent, at a time."""


def streamed(write: Callable[[IO[bytes]], Iterator[None]]) -> Iterator[bytes]:
    """What `write` writes to the file it is given, in chunks of about `CHUNK` bytes.

    `write` is a generator that yields after each part; its file cannot be sought in.
    """
    sink = _Sink()
    for _ in write(cast("IO[bytes]", sink)):
        if sink.size >= CHUNK:
            yield sink.take()
    yield sink.take()


def write_zip(members: Iterable[Member], compression: int, file: IO[bytes]) -> Iterator[None]:
    """Write `members` to `file` as a zip, and yield after each of their parts.

    Args:
        members: Names and contents, in the order of the zip.
        compression: `zipfile.ZIP_STORED` or `zipfile.ZIP_DEFLATED`.
        file: The binary file to write to.

    Yields:
        Nothing, after each part.
    """
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, parts in members:
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = compression
            with archive.open(entry, "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
                    yield


def zip_of(members: Iterable[Member]) -> Iterator[bytes]:
    """`members` as the bytes of a zip that does not compress them."""
    return streamed(partial(write_zip, members, zipfile.ZIP_STORED))


def file_member(folder: Path, name: str) -> Member:
    """The file of `folder` called `name` as a member of a zip, read when it is sent."""
    return name, _read(folder / name)


class _Sink(io.RawIOBase):
    """A file that can only be written, and gives back what was."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        """True: zipfile asks."""
        return True

    def write(self, content: Any) -> int:
        """Keep `content` until it is taken."""
        part = bytes(content)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        content, self._parts, self.size = b"".join(self._parts), [], 0
        return content


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part
