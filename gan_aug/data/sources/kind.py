"""What a row of the list of sources says: how the source opens, and how a new file of its kind is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Source
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.decode import images_in_file
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.run.events import Progress

NewImages = Iterator[tuple[int | None, npt.NDArray[np.uint8]]]
"""The images in a file, `(C, H, W) uint8`, each with its number if there are several (frames from 1, slices from 0)."""


@dataclass(frozen=True)
class FileKind:
    """How a new file, which is no part of a data set, is read to be held against that data set.

    Attributes:
        images: Gives the images that the import would have made of the file; raises DataError with the reason if it
            cannot.
        signature: A position, and the bytes that every such file has there. By them it is known whatever its name, and
            whatever the data set was made from.
    """

    images: Callable[[Path, DataConfig, Raster], NewImages]
    signature: tuple[int, bytes] | None = None

    def recognises(self, path: Path) -> bool:
        """Whether the file at `path` has the signature; False if it cannot be read, since reading it says why."""
        if self.signature is None:
            return False
        position, expected = self.signature
        try:
            with path.open("rb") as file:
                return file.read(position + len(expected))[position:] == expected
        except OSError:
            return False


def _image_file(path: Path, config: DataConfig, raster: Raster) -> NewImages:
    for number, read in images_in_file(path, config.slices):
        yield number, raster(read())


IMAGE_FILES = FileKind(_image_file)
"""PNG, JPEG, TIFF, NIfTI and the like: also what is meant by a new file for sources that have no files of their own."""


@dataclass(frozen=True)
class Opening:
    """What opening a source may need besides its config.

    Attributes:
        folder: The data set's folder; without one, images are counted and need not be readable.
        reader: What looks at files, if that takes time.
        progress: Is told (files, files in all).
    """

    folder: Path | None = None
    reader: Reader = field(default_factory=Reader)
    progress: Progress | None = None

    def identity_key(self) -> IdentityKey:
        """The key of the data set's folder; a new folder gets the cache's, so that headers seen before are known."""
        key = self.reader.cache.identity_key() if self.reader.cache else IdentityKey.random()
        return key.stored_in(self.folder) if self.folder else key


@dataclass(frozen=True)
class SourceKind:
    """One row of the list of sources.

    Attributes:
        names: What `data.source` may be.
        open: Gives the source for the length of a block.
        files: How a new file of its kind is read.
        endings: How further names end that the source knows.
        spool: The folder, within the data set's, that holds what the source fetched until it is imported; an
            interrupted import leaves it there. None for a source that fetches nothing.
    """

    names: tuple[str, ...]
    open: Callable[[DataConfig, Opening], AbstractContextManager[Source]]
    files: FileKind = IMAGE_FILES
    endings: tuple[str, ...] = ()
    spool: str | None = None


def at_hand(
    open_files: Callable[[DataConfig], Source],
) -> Callable[[DataConfig, Opening], AbstractContextManager[Source]]:
    """The `open` of a source whose files are at hand, and which needs its config alone."""
    return lambda config, _opening: nullcontext(open_files(config))
