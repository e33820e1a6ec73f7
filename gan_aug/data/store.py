"""The store: all images of a data set as one memory-mapped array, so that every process shares the pages."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.errors import ManifestError
from gan_aug.run.files import storage_errors

FILE = "images.npy"


def open_images(folder: Path, manifest: Manifest) -> npt.NDArray[np.uint8]:
    """The images of `folder` as `(N, C, H, W) uint8`, read-only and memory-mapped, in the manifest's order.

    Raises ManifestError when the array is absent or does not fit the manifest.
    """
    path = folder / FILE
    try:
        images: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} is absent or torn: remove {folder} and import again") from error
    expected = (len(manifest.studies), *manifest.shape)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ManifestError(
            f"{path} holds {images.shape} {images.dtype}, the manifest {expected} uint8: remove {folder}, import again"
        )
    return images


class ImageWriter:
    """Writes a store image by image, and keeps only those wanted at the end; memory stays flat.

    Nothing stands at the store's name until `commit`; leaving the block without it removes what was written.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        """Start a store of images of `shape`, `(C, H, W)`; raises StorageError where the folder is not writable."""
        self._path = folder / FILE
        self._temporary = folder / f".{FILE}.tmp"
        self._shape = shape
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._file = self._temporary.open("wb+")
            self._offset = self._file.write(_header((0, *shape)))

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # On a full disk closing fails once more; what is committed was flushed before.
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def append(self, image: npt.NDArray[np.uint8]) -> None:
        """Add one image `(C, H, W) uint8`; raises StorageError when the disk is full."""
        with storage_errors(self._path):
            self._file.write(np.ascontiguousarray(image).data)

    def images(self, count: int) -> npt.NDArray[np.uint8]:
        """The first `count` images added so far, memory-mapped; not to be used after `commit`."""
        with storage_errors(self._path):
            self._file.flush()
        if not count:
            return np.zeros((0, *self._shape), dtype=np.uint8)
        return np.memmap(self._temporary, np.uint8, "r", self._offset, (count, *self._shape))

    def commit(self, kept: Sequence[int]) -> None:
        """Put the images at the positions `kept` (rising) in place as the store, flushed to disk."""
        row = int(np.prod(self._shape))
        with storage_errors(self._path):
            for target, position in enumerate(kept):
                if target != position:
                    self._move(position * row, target * row, row)
            self._file.truncate(self._offset + len(kept) * row)
            self._file.seek(0)
            # numpy leaves room in the header for the count to grow, so that its length stays the same.
            self._file.write(_header((len(kept), *self._shape)))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._temporary.replace(self._path)

    def _move(self, source: int, target: int, size: int) -> None:
        self._file.seek(self._offset + source)
        content = self._file.read(size)
        self._file.seek(self._offset + target)
        self._file.write(content)


def _header(shape: tuple[int, ...]) -> bytes:
    """The npy header of a uint8 array of `shape`."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
