"""The stored images of a data set: one memory-mapped array, whose pages all processes of a host share."""

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
from gan_aug.run import layout
from gan_aug.run.files import storage_errors


def open_images(folder: Path, manifest: Manifest) -> npt.NDArray[np.uint8]:
    """The images in `folder` as `(N, C, H, W) uint8`, read-only and memory-mapped, in the manifest's order.

    Raises ManifestError if the array is absent or does not fit the manifest.
    """
    path = folder / layout.IMAGES
    try:
        images: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} is absent or damaged: remove {folder} and import again") from error
    expected = (len(manifest.studies), *manifest.shape)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ManifestError(
            f"{path} holds {images.shape} {images.dtype}, but its manifest says {expected} uint8: remove {folder} and "
            "import again"
        )
    return images


class ImageWriter:
    """Writes the stored images one by one, and keeps a selection of them at the end; memory does not grow.

    A context manager. The file appears only at `commit`; leaving the block without it removes what was written.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        """Start to write images of `shape`, `(C, H, W)`; raises StorageError if the folder is not writable."""
        self._path = folder / layout.IMAGES
        self._temporary = folder / f".{layout.IMAGES}.tmp"
        self._shape = shape
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._file = self._temporary.open("wb+")
            self._offset = self._file.write(_header((0, *shape)))

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, *_: object) -> None:
        # On a full disk closing fails once more. Images that were committed have been flushed before.
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def append(self, image: npt.NDArray[np.uint8]) -> None:
        """Add one image `(C, H, W) uint8`; raises StorageError if the disk is full."""
        with storage_errors(self._path):
            self._file.write(np.ascontiguousarray(image).data)

    def images(self, count: int) -> npt.NDArray[np.uint8]:
        """The first `count` images added so far, `(count, C, H, W) uint8`, memory-mapped; do not use after `commit`."""
        with storage_errors(self._path):
            self._file.flush()
        if not count:
            return np.zeros((0, *self._shape), dtype=np.uint8)
        return np.memmap(self._temporary, np.uint8, "r", self._offset, (count, *self._shape))

    def keep(self, positions: Sequence[int]) -> None:
        """Keep the images at `positions`, which must rise, and forget the others; arrays of `images` are then void."""
        size = int(np.prod(self._shape))
        with storage_errors(self._path):
            for target, position in enumerate(positions):
                if target != position:
                    self._move(position * size, target * size, size)
            self._file.truncate(self._offset + len(positions) * size)
            self._file.seek(0, os.SEEK_END)

    def commit(self, positions: Sequence[int]) -> None:
        """Keep the images at `positions`, which must rise, flush them to disk and give the file its final name."""
        self.keep(positions)
        with storage_errors(self._path):
            self._file.seek(0)
            # numpy pads the header so that the count can grow: the length of the header stays the same.
            self._file.write(_header((len(positions), *self._shape)))
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
