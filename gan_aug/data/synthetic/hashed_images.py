"""Hash the images of an npy file in one pass, from a folder or an object store; memory does not grow with the file."""

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
    """The content hash of each image in an npy file, and the hash of the file itself.

    Iterating reads the file once and yields a hash for each image. After that, `count` is the number of images and
    `sha256` the file's hash.
    """

    def __init__(self, place: Place, name: str, shape: tuple[int, int, int]) -> None:
        """Open the file.

        Args:
            place: The folder, or the address in an object store.
            name: The file's name there. It must hold `(N, C, H, W) uint8`.
            shape: The shape of an image, `(C, H, W)`.

        Raises:
            MissingObject: If there is no such file, here or when it is iterated over.
        """
        self._file, self._shape = below(place, name), shape
        self._blocks = open_store(place).blocks(name)
        self._digest = hashlib.sha256()
        self.count = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[str]:
        """The content hashes in stored order; see `content_hash`.

        Raises ManifestError if the file holds another array or does not hold as many images as its header says.
        """
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
            raise ManifestError(f"{self._file} does not hold the {max(count, 0)} images that its header states")

    def _header(self, block: bytes) -> tuple[int, int]:
        """The number of images that the header states, and the position of the first image in `block`."""
        stream = io.BytesIO(block)
        try:
            shape, fortran, dtype = npy_header(stream)
        except ValueError as error:
            raise ManifestError(f"{self._file} is not an npy file") from error
        if shape[1:] != self._shape or fortran or dtype != np.uint8:
            raise ManifestError(f"{self._file} holds {shape} {dtype}, not images of {self._shape} uint8")
        return int(shape[0]), stream.tell()
