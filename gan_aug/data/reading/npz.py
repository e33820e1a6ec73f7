"""Read an array in an npz file image by image, so that a data set larger than memory can be imported."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from gan_aug.data.items import Pixels
from gan_aug.errors import DataError


class ZippedArray:
    """The images in an npz file, read one at a time; rising order is fastest."""

    def __init__(self, path: Path, name: str, *, any_layout: bool = False) -> None:
        """Read only the array's header.

        Args:
            path: The npz file.
            name: The name of the array in it, `(N, H, W)` or `(N, H, W, 3) uint8`.
            any_layout: Accept four axes of any order and length.

        Raises:
            DataError: If it is not such an array. If the file is damaged, the errors of `zipfile` are raised.
        """
        self._path, self._member = path, f"{name}.npy"
        self._stream: IO[bytes] | None = None
        with zipfile.ZipFile(path) as archive, archive.open(self._member) as stream:
            try:
                self.shape, fortran, dtype = npy_header(stream)
            except ValueError as error:
                raise DataError(f"{path} holds no plain arrays: replace it") from error
            self._offset = stream.tell()
        flat = len(self.shape) == 3 or (len(self.shape) == 4 and (any_layout or self.shape[3] == 3))
        if dtype != np.uint8 or fortran or not flat:
            raise DataError(
                f"{path} holds {name} of {self.shape} {dtype}, not 2-D 8-bit images, grey or RGB: choose another set"
            )
        self._row_bytes = int(np.prod(self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, row: int) -> Pixels:
        """Image `row`, with the array's axes but the first; raises DataError if the file is damaged there."""
        try:
            if self._stream is None:
                # It stays open as long as the source: the next image follows right after this one.
                self._stream = zipfile.ZipFile(self._path).open(self._member)  # noqa: SIM115
            self._stream.seek(self._offset + row * self._row_bytes)
            content = self._stream.read(self._row_bytes)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            self._stream = None
            raise DataError(f"{self._path.name} is damaged at this image") from error
        if len(content) < self._row_bytes:
            raise DataError(f"{self._path.name} ends before this image")
        return np.frombuffer(content, dtype=np.uint8).reshape(self.shape[1:])


def npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether in Fortran order, and dtype of the npy file in `stream`; raises ValueError if it is no npy file.

    The stream is left at the first byte of the array.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)
