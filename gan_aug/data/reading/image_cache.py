"""Decoded images in the user's cache: an import reads no file that has not changed since an earlier import.

An entry is found by its file and by how the image was made: raster settings, our own decoding code, the libraries. Only
hashes of all that are kept. If an image does not have the hash that was noted with it, it counts as absent.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from gan_aug.data.assumptions import Assumed
from gan_aug.data.items import Item, Reading
from gan_aug.data.manifest import content_hash
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.cache_keys import KEY_BYTES, code_version, digest, file_key, item_key
from gan_aug.data.reading.header_cache import HeaderCache
from gan_aug.data.reading.raster import Raster

HEADERS_SHARE = 20
"""The header database may take one part in this many of the cache's limit, in addition to the images."""

ENTRY = np.dtype(
    [("key", "u1", KEY_BYTES), ("content", "u1", 32), ("height", "<u4"), ("width", "<u4"), ("coloured", "?"),
     ("assumed", "<u2")]
)  # fmt: skip

Entries = npt.NDArray[np.void]


class CacheFolder:
    """The cache of one data set in the folder `root`; if that is not writable, it stays as it is.

    The caches of all data sets, which are beside it, may hold about `limit` bytes together.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self._root, self._limit = root, limit
        self._began = time.time()

    def images(self, raster: Raster) -> ImageCache:
        """The images that were made with `raster`."""
        name = digest("images", repr(raster), code_version()).hex()
        return ImageCache(self._root / name, raster.shape, self._began, self._limit, self._shrink)

    def headers(self) -> HeaderCache:
        """The DICOM headers that were read with this version of the code; those of other versions are removed."""
        folder = self._root / "headers"
        path = folder / f"{code_version()}.sqlite"
        for other in folder.glob("*.sqlite*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)
        return HeaderCache(path, self._limit // HEADERS_SHARE)

    def identity_key(self) -> IdentityKey:
        """The key that hashed the identifiers in `headers`."""
        return IdentityKey.load_or_create(self._root / "headers" / "identity.key")

    def key(self, path: Path, *parts: str) -> bytes | None:
        """The key of the file `path` and of `parts`; None if the file does not exist or has just changed."""
        return file_key(path, self._began, *parts)

    def files_key(self, items: Sequence[Item]) -> str | None:
        """The key of the files of `items` together; None if one of them has no key."""
        keys = [item_key(item, self._began) for item in items]
        return None if None in keys else "".join(key.hex() for key in keys if key)

    def recall(self, kind: str, key: str) -> str | None:
        """The text that was remembered under `key`, or None."""
        try:
            return self._note(kind, key).read_text(encoding="utf-8")
        except OSError:
            return None

    def remember(self, kind: str, key: str, text: str) -> None:
        """Keep a short text that follows from `key` and our code alone; does nothing if the cache is not writable.

        Args:
            kind: What it is: the name of the folder it goes to.
            key: All that it depends on, besides the code.
            text: The text to keep.
        """
        path = self._note(kind, key)
        with contextlib.suppress(OSError):
            _make_private(path.parent)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)

    def _note(self, kind: str, key: str) -> Path:
        return self._root / kind / digest(code_version(), key).hex()

    def _shrink(self, newest: Path) -> None:
        """Remove the parts whose last use is longest ago, until the rest fits the limit."""
        everywhere = [*self._root.parent.glob("*/*/*.index"), *self._root.parent.glob("*/*.index")]
        parts = sorted(everywhere, key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for part in parts:
            total += part.stat().st_size + part.with_suffix(".rows").stat().st_size
            if total > self._limit and part != newest:
                part.unlink(missing_ok=True)
                part.with_suffix(".rows").unlink(missing_ok=True)


class ImageCache:
    """Images of one shape that were made in one way. Each import that adds some writes a new part; parts never change.

    A context manager. Leaving it puts the new part in place, also after an error, since each entry in it is complete.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], began: float, limit: int, shrink: Callable[[Path], None]
    ) -> None:
        """Open the parts in `folder`.

        Args:
            folder: The folder of these images.
            shape: The shape of a stored image, `(C, H, W)`.
            began: When the import began, in seconds since the epoch.
            limit: The bytes that the new part may have.
            shrink: Called with the index file of the new part after it was put in place.
        """
        self._folder, self._shape, self._began, self._limit, self._shrink = folder, shape, began, limit, shrink
        self._row_bytes = int(np.prod(shape))
        self._keys: list[bytes | None] = []
        self._entries, self._rows, self._starts = self._open()
        self._new: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._broken = False

    def __enter__(self) -> ImageCache:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        name = Path(self._file.name)
        with contextlib.suppress(OSError):
            self._file.close()
            if not self._broken:
                self._commit(name)
        with contextlib.suppress(OSError):
            name.unlink(missing_ok=True)

    def find(self, items: Sequence[Item]) -> npt.NDArray[np.int64]:
        """The position of each item's image in the cache, `(N,) int64`; -1 if it is not there."""
        self._keys = [item_key(item, self._began) for item in items]
        known = np.array([key is not None for key in self._keys], dtype=bool)
        wanted = np.frombuffer(b"".join(key or bytes(KEY_BYTES) for key in self._keys), dtype="<u8").reshape(-1, 2)
        positions = np.full(len(items), -1, dtype=np.int64)
        if not len(self._entries) or not len(items):
            return positions
        cached = np.ascontiguousarray(self._entries["key"]).view("<u8").reshape(-1, 2)
        order = np.argsort(cached[:, 0], kind="stable")
        near = np.searchsorted(cached[order, 0], wanted[:, 0], side="right") - 1  # the newest of equal ones
        positions = np.where((near >= 0) & known, order[near], -1)
        same = (cached[positions] == wanted).all(axis=1)
        return np.where(same, positions, -1)

    def read(self, position: int) -> Reading | None:
        """The image at `position`, or None if it is not the image that was put there."""
        part = int(np.searchsorted(self._starts, position, side="right")) - 1
        image = np.array(self._rows[part][position - self._starts[part]]).reshape(self._shape)
        entry = self._entries[position]
        content = content_hash(image)
        if content != entry["content"].tobytes().hex():
            return None
        size = int(entry["height"]), int(entry["width"])
        return Reading(image, content, size, bool(entry["coloured"]), Assumed(int(entry["assumed"])))

    def keep(self, number: int, item: Item, reading: Reading) -> None:
        """Add an image to the new part, unless its file has changed since `find`, or the part is full or broken.

        Args:
            number: The position of the item among those of the last `find`.
            item: The item.
            reading: What reading the item gave.
        """
        key = self._keys[number]
        full = len(self._new) * (self._row_bytes + ENTRY.itemsize) > self._limit
        if self._broken or full or key is None or item_key(item, self._began) != key:
            return
        try:
            if self._file is None:
                _make_private(self._folder)
                self._file = (self._folder / f".{secrets.token_hex(8)}.tmp").open("wb")
            self._file.write(reading.image.tobytes())
        except OSError:  # a full disk must not stop an import, which needs no cache
            self._broken = True
            return
        entry = np.zeros((), dtype=ENTRY)
        entry["key"] = np.frombuffer(key, dtype=np.uint8)
        entry["content"] = np.frombuffer(bytes.fromhex(reading.content), dtype=np.uint8)
        entry["height"], entry["width"], entry["coloured"] = *reading.original_size, reading.coloured
        entry["assumed"] = int(reading.assumed)
        self._new.append(entry.tobytes())

    def _open(self) -> tuple[Entries, list[npt.NDArray[np.uint8]], npt.NDArray[np.int64]]:
        """All parts: their entries joined, their images one array per part, and the position where each part begins."""
        entries: list[Entries] = []
        rows: list[npt.NDArray[np.uint8]] = []
        starts = [0]
        with contextlib.suppress(OSError):
            for index in sorted(self._folder.glob("*.index"), key=lambda path: path.stat().st_mtime):
                part = np.fromfile(index, dtype=ENTRY)
                path = index.with_suffix(".rows")
                if len(part) and path.is_file() and path.stat().st_size == len(part) * self._row_bytes:
                    entries.append(part)
                    rows.append(np.memmap(path, dtype=np.uint8, mode="r", shape=(len(part), self._row_bytes)))
                    starts.append(starts[-1] + len(part))
                    os.utime(index)
        joined = np.concatenate(entries) if entries else np.zeros(0, dtype=ENTRY)
        return joined, rows, np.array(starts[: len(rows)], dtype=np.int64)

    def _commit(self, written: Path) -> None:
        part = self._folder / written.stem.lstrip(".")
        written.replace(part.with_suffix(".rows"))
        index = part.with_suffix(".index")  # marks the part as complete: written last, and put in place by renaming
        written.write_bytes(b"".join(self._new))
        written.replace(index)
        self._shrink(index)


def _make_private(folder: Path) -> None:
    """Make the folder so that only its owner can open it: it holds patients' images."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.parent.chmod(0o700)
