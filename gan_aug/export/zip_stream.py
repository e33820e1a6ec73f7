"""Downloads as zips that are made while they are sent: nothing is written to disk, and little is in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.synthetic.shards import SyntheticManifest, read_shard
from gan_aug.export.images import npz_labels, png_files
from gan_aug.run import layout

Member = tuple[str, Iterable[bytes]]
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time in every entry, so that the same set is the same bytes."""

CHUNK = 1 << 18


def png_zip(folder: Path) -> Iterator[bytes]:
    """The synthetic set in `folder` as a zip of PNG files in class folders, with labels.csv.

    Raises ManifestError where it is torn, before anything is sent.
    """
    manifest = SyntheticManifest.load(folder / layout.MANIFEST)
    return zipped(((name, [content]) for name, content in png_files(folder, manifest)), zipfile.ZIP_STORED)


def npz(folder: Path) -> Iterator[bytes]:
    """The synthetic set in `folder` as `export_npz` writes it."""
    manifest = SyntheticManifest.load(folder / layout.MANIFEST)
    shape = (len(manifest.image_labels), *manifest.shape)
    images = (part for shard in manifest.shards for part in _parts(read_shard(folder, shard).tobytes()))
    members: list[Member] = [("images.npy", _chained(_npy_header(shape), images))]
    members += [(f"{name}.npy", [_npy(array)]) for name, array in npz_labels(manifest).items()]
    return zipped(members, zipfile.ZIP_DEFLATED)


def files_zip(folder: Path, names: Iterable[str]) -> Iterator[bytes]:
    """Files of a folder as a zip."""
    return zipped(((name, _read(folder / name)) for name in names), zipfile.ZIP_STORED)


def zipped(members: Iterable[Member], compression: int) -> Iterator[bytes]:
    """A zip of the members, part by part as it grows."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        for name, parts in members:
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = compression
            with archive.open(entry, "w", force_zip64=True) as member:
                for part in parts:
                    member.write(part)
                    if sink.size >= CHUNK:
                        yield sink.taken()
    yield sink.taken()


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

    def taken(self) -> bytes:
        """What was written since the last time."""
        content, self._parts, self.size = b"".join(self._parts), [], 0
        return content


def _chained(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _parts(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
