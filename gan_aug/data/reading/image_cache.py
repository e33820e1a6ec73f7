"""Images decoded before, kept in the user's cache: an import of files that did not change reads none of them.

A file is known by its path, size, inode, time of change and of modification, and by what is asked of it; an entry also
by how it was made: raster settings, our own code that decodes, the libraries beneath. Only hashes of all that are kept.
An image whose hash is not the one noted with it counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache, partial
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from gan_aug.data.items import Item, Reading
from gan_aug.data.manifest import content_hash
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.header_cache import HeaderCache
from gan_aug.data.reading.raster import Raster
from gan_aug.run.places import cache_folder

SETTLED_SECONDS = 2.0
"""A file changed later than this before the import began may be still in change: it is not kept."""

LIBRARIES = ("numpy", "pillow", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pyjpegls")

KEY_BYTES = 16
HEADERS_SHARE = 20
"""The headers may take this part of the cache's limit, beside the images."""

ENTRY = np.dtype(
    [("key", "u1", KEY_BYTES), ("content", "u1", 32), ("height", "<u4"), ("width", "<u4"), ("coloured", "?")]
)

Entries = npt.NDArray[np.void]


class CacheFolder:
    """The cache at `root`, which may hold about `limit` bytes; where it cannot be written, it stays as it is."""

    def __init__(self, root: Path, limit: int) -> None:
        self._root, self._limit = root, limit
        self._began = time.time()

    def images(self, raster: Raster) -> ImageCache:
        """The images made with `raster`."""
        name = _digest("images", repr(raster), _making()).hex()
        return ImageCache(self._root / name, raster.shape, self._began, self._limit, self._shrink)

    def headers(self) -> HeaderCache:
        """The headers looked at with this code."""
        folder = self._root / "headers"
        path = folder / f"{_making()}.sqlite"
        for other in folder.glob("*.sqlite*"):
            if not other.name.startswith(path.name):
                other.unlink(missing_ok=True)
        return HeaderCache(path, self._limit // HEADERS_SHARE)

    def identity_key(self) -> IdentityKey:
        """The key that the identities in `headers` are hashed with."""
        return IdentityKey.kept(self._root / "headers" / "identity.key")

    def key(self, path: Path, *parts: str) -> bytes | None:
        """What identifies the file at `path` as it is, and `parts`; None where it cannot be told or just changed."""
        return file_key(path, self._began, *parts)

    def recall(self, kind: str, key: str) -> str | None:
        """What was remembered under `key`, or None."""
        try:
            return self._note(kind, key).read_text(encoding="utf-8")
        except OSError:
            return None

    def remember(self, kind: str, key: str, text: str) -> None:
        """Remember something small that follows from `key` and our code alone."""
        path = self._note(kind, key)
        with contextlib.suppress(OSError):
            _make(path.parent)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)

    def files_key(self, items: Sequence[Item]) -> str | None:
        """What identifies the files of `items` together; None where one of them cannot be told."""
        keys = [item_key(item, self._began) for item in items]
        return None if None in keys else "".join(key.hex() for key in keys if key)

    def _note(self, kind: str, key: str) -> Path:
        return self._root / kind / _digest(_making(), key).hex()

    def _shrink(self, newest: Path) -> None:
        """Remove the parts used longest ago until the rest fits the limit."""
        parts = sorted(self._root.glob("*/*.index"), key=lambda path: path.stat().st_mtime, reverse=True)
        held = 0
        for part in parts:
            held += part.stat().st_size + part.with_suffix(".rows").stat().st_size
            if held > self._limit and part != newest:
                part.unlink(missing_ok=True)
                part.with_suffix(".rows").unlink(missing_ok=True)


class ImageCache:
    """Images of one shape made one way: parts that never change, and a new one for what this import adds.

    A context manager; leaving it puts the new part in place, also after an error, since what it holds is whole.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], began: float, limit: int, shrink: Callable[[Path], None]
    ) -> None:
        self._folder, self._shape, self._began, self._limit, self._shrink = folder, shape, began, limit, shrink
        self._row = int(np.prod(shape))
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
        """Where each item's image is, -1 where there is none."""
        self._keys = [item_key(item, self._began) for item in items]
        known = np.array([key is not None for key in self._keys], dtype=bool)
        wanted = np.frombuffer(b"".join(key or bytes(KEY_BYTES) for key in self._keys), dtype="<u8").reshape(-1, 2)
        places = np.full(len(items), -1, dtype=np.int64)
        if not len(self._entries) or not len(items):
            return places
        held = np.ascontiguousarray(self._entries["key"]).view("<u8").reshape(-1, 2)
        order = np.argsort(held[:, 0], kind="stable")
        near = np.searchsorted(held[order, 0], wanted[:, 0], side="right") - 1  # the newest of equal ones
        places = np.where((near >= 0) & known, order[near], -1)
        same = (held[places] == wanted).all(axis=1)
        return np.where(same, places, -1)

    def read(self, place: int) -> Reading | None:
        """The image at `place`, or None where it is not what was put there."""
        part = int(np.searchsorted(self._starts, place, side="right")) - 1
        image = np.array(self._rows[part][place - self._starts[part]]).reshape(self._shape)
        entry = self._entries[place]
        content = content_hash(image)
        if content != entry["content"].tobytes().hex():
            return None
        return Reading(image, content, (int(entry["height"]), int(entry["width"])), bool(entry["coloured"]))

    def keep(self, number: int, item: Item, reading: Reading) -> None:
        """Keep the reading of item `number` of those last looked for, unless its file has changed meanwhile."""
        key = self._keys[number]
        full = len(self._new) * (self._row + ENTRY.itemsize) > self._limit
        if self._broken or full or key is None or item_key(item, self._began) != key:
            return
        try:
            if self._file is None:
                _make(self._folder)
                self._file = (self._folder / f".{secrets.token_hex(8)}.tmp").open("wb")
            self._file.write(reading.image.tobytes())
        except OSError:  # a full disk must not end an import that needs no cache
            self._broken = True
            return
        entry = np.zeros((), dtype=ENTRY)
        entry["key"] = np.frombuffer(key, dtype=np.uint8)
        entry["content"] = np.frombuffer(bytes.fromhex(reading.content), dtype=np.uint8)
        entry["height"], entry["width"], entry["coloured"] = *reading.native, reading.coloured
        self._new.append(entry.tobytes())

    def _open(self) -> tuple[Entries, list[npt.NDArray[np.uint8]], npt.NDArray[np.int64]]:
        """All parts: their entries one after the other, their rows, and where each begins."""
        entries: list[Entries] = []
        rows: list[npt.NDArray[np.uint8]] = []
        starts = [0]
        with contextlib.suppress(OSError):
            for index in sorted(self._folder.glob("*.index"), key=lambda path: path.stat().st_mtime):
                part = np.fromfile(index, dtype=ENTRY)
                path = index.with_suffix(".rows")
                if len(part) and path.is_file() and path.stat().st_size == len(part) * self._row:
                    entries.append(part)
                    rows.append(np.memmap(path, dtype=np.uint8, mode="r", shape=(len(part), self._row)))
                    starts.append(starts[-1] + len(part))
                    os.utime(index)
        every = np.concatenate(entries) if entries else np.zeros(0, dtype=ENTRY)
        return every, rows, np.array(starts[: len(rows)], dtype=np.int64)

    def _commit(self, written: Path) -> None:
        part = self._folder / written.stem.lstrip(".")
        written.replace(part.with_suffix(".rows"))
        index = part.with_suffix(".index")  # the mark that the part is whole: last, and by renaming
        written.write_bytes(b"".join(self._new))
        written.replace(index)
        self._shrink(index)


def user_cache(gigabytes: float) -> CacheFolder | None:
    """The cache in the user's cache folder, holding up to `gigabytes`; None for 0."""
    return CacheFolder(cache_folder() / "images", int(gigabytes * 1e9)) if gigabytes else None


def item_key(item: Item, began: float) -> bytes | None:
    """What identifies the item's file and what is read of it; None where that cannot be told or it changed just now."""
    if item.file is None or not isinstance(item.read, partial):
        return None
    values = [
        _spelt(value) for value in (*item.read.args, *(v for kv in sorted(item.read.keywords.items()) for v in kv))
    ]
    if None in values:
        return None
    function = f"{item.read.func.__module__}.{item.read.func.__qualname__}"
    return file_key(item.file, began, function, *map(str, values))


def file_key(path: Path, began: float, *parts: str) -> bytes | None:
    """What identifies the file as it is now, and `parts`; None where it is gone or changed just before `began`."""
    try:
        status = path.stat()
    except OSError:
        return None
    if status.st_ctime > began - SETTLED_SECONDS:
        return None
    facts = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return _digest(os.path.abspath(path), *map(str, facts), *parts)[:KEY_BYTES]  # noqa: PTH100


def _spelt(value: object) -> str | None:
    """A spelling that is equal only for equal values, or None for kinds of value that have none."""
    if isinstance(value, BaseModel):
        return _spelt_section(value)
    if isinstance(value, Path):
        return os.path.abspath(value)  # noqa: PTH100 - resolving each of a million files asks the disk for each
    if is_dataclass(value):
        spelt = [_spelt(getattr(value, part.name)) for part in fields(value) if part.compare]
        return None if None in spelt else f"{type(value).__qualname__} {spelt}"
    return repr(value) if value is None or isinstance(value, str | int | float | tuple) else None


@lru_cache(maxsize=16)
def _spelt_section(section: BaseModel) -> str:
    return f"{type(section).__qualname__} {section.model_dump_json()}"


@cache
def _making() -> str:
    """The code that makes an image: ours, by its content, and the versions of what it stands on."""
    versions = []
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    return _digest(*versions, *_sources(Path(str(files("gan_aug.data"))))).hex()


def _sources(package: Path) -> list[str]:
    """Name and content, as a hash, of every source file of a package, in whatever folder of it."""
    paths = sorted(package.rglob("*.py"))
    return [f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode("utf-8", "surrogateescape"))
    return digest.digest()


def _make(folder: Path) -> None:
    """Make the folder for the owner alone: it holds patients' images."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.parent.chmod(0o700)
