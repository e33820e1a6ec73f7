"""Reading an npz file's array row by row, so that a set larger than memory can be imported."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from gan_aug.data.items import Pixels
from gan_aug.errors import DataError


class ZippedArray:
    """Images `(N, H, W)` or `(N, H, W, 3) uint8` in an npz file, read one at a time, quickest in rising order."""

    def __init__(self, path: Path, name: str, *, any_layout: bool = False) -> None:
        """Read the array's header alone; with `any_layout` the four axes may be any.

        Raises DataError when it is no such array, zipfile's errors when torn.
        """
        self._path, self._member = path, f"{name}.npy"
        self._stream: IO[bytes] | None = None
        with zipfile.ZipFile(path) as archive, archive.open(self._member) as stream:
            self.shape, fortran, dtype = _header(stream, path)
            self._offset = stream.tell()
        flat = len(self.shape) == 3 or (len(self.shape) == 4 and (any_layout or self.shape[3] == 3))
        if dtype != np.uint8 or fortran or not flat:
            raise DataError(
                f"{path} holds {name} of {self.shape} {dtype}, not flat 8-bit images, grey or RGB: choose another set"
            )
        self._row = int(np.prod(self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, row: int) -> Pixels:
        """Image `row`; raises DataError when the file is torn there."""
        try:
            if self._stream is None:
                # Open for as long as the source lives: the next image lies just behind this one.
                self._stream = zipfile.ZipFile(self._path).open(self._member)  # noqa: SIM115
            self._stream.seek(self._offset + row * self._row)
            content = self._stream.read(self._row)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            self._stream = None
            raise DataError(f"{self._path.name} is torn there") from error
        if len(content) < self._row:
            raise DataError(f"{self._path.name} ends before it")
        return np.frombuffer(content, dtype=np.uint8).reshape(self.shape[1:])


def _header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(stream)
    except ValueError as error:
        raise DataError(f"{path} holds no plain arrays: replace it") from error
