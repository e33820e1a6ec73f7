"""Hashing the images of an npy file in one pass, from a folder or a store; memory does not grow with the set."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import numpy as np

from gan_aug.data.manifest import content_hash
from gan_aug.data.reading.npz import npy_header
from gan_aug.errors import ManifestError
from gan_aug.run.stores import Place, below, open_store


class HashedImages:
    """The content hash of each image in `name` at `place`, which holds `(N, C, H, W) uint8`, and then the file's own.

    Iterating reads the file once. Raises MissingObject where there is none, ManifestError where it is no such array or
    ends within an image; `count` and `sha256` hold once all is read.
    """

    def __init__(self, place: Place, name: str, shape: tuple[int, int, int]) -> None:
        self._file, self._shape = below(place, name), shape
        self._blocks = open_store(place).blocks(name)
        self._digest = hashlib.sha256()
        self.count = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[str]:
        """The content hashes in stored order; see `content_hash`."""
        size, rest, count = int(np.prod(self._shape)), b"", -1
        for block in self._blocks:
            self._digest.update(block)
            if count < 0:
                count, begin = self._header(block)
                block = block[begin:]  # noqa: PLW2901 - what follows the header
            content = rest + block
            whole = len(content) // size * size
            rest = content[whole:]
            for image in np.frombuffer(content, np.uint8, whole).reshape(-1, *self._shape):
                self.count += 1
                yield content_hash(image)
        if rest or self.count != count:
            raise ManifestError(f"{self._file} does not hold the {max(count, 0)} images that its header announces")

    def _header(self, block: bytes) -> tuple[int, int]:
        """How many images the file says it holds, and where the first one begins."""
        stream = io.BytesIO(block)
        try:
            shape, fortran, dtype = npy_header(stream)
        except ValueError as error:
            raise ManifestError(f"{self._file} is not an npy file") from error
        if shape[1:] != self._shape or fortran or dtype != np.uint8:
            raise ManifestError(f"{self._file} holds {shape} {dtype}, not images of {self._shape} uint8")
        return int(shape[0]), stream.tell()
