"""Stores of large files: a folder, or a prefix in an object store. Only this file imports fsspec.

A file in a folder appears completely or not at all, and so does an object; nothing in a store is ever renamed. A group
of objects is complete once its commit marker, written last, is there: see `gan_aug.run.artefacts`.

Credentials come from the environment or from the store's own files (`~/.aws`). They are never stored, recorded or
shown.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

from gan_aug.errors import ConfigError, StorageError
from gan_aug.run.files import atomic_file, storage_errors, write_bytes
from gan_aug.run.store_faults import bucket_is_missing, is_passing, sentence

Place = Path | str
"""A local folder, or the URL of a prefix in an object store, such as `s3://bucket/prefix`."""

BLOCK = 16 << 20
"""Bytes per read request; a failed request is repeated on its own."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further try after an error that may pass: about half a minute in all, enough for a restart."""

WRITE_SECONDS, SLOWEST_BYTES_PER_SECOND = 60.0, 100_000
"""The time limit of writing an object: so many seconds, and its size divided by the slowest accepted rate."""

S3_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,  # other processes write there too
    # We repeat failed requests ourselves: the retries of three layers would multiply.
    "config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"total_max_attempts": 1}},
}

Result = TypeVar("Result")


class MissingObject(LookupError):
    """There is no object (or file) of that name."""


class Store(Protocol):
    """Files by name (`folder/file`, with slashes) below one place."""

    def read(self, name: str) -> bytes:
        """All bytes of a small file; raises MissingObject if there is none."""

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks; raises MissingObject if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, completely or not at all."""

    def upload(self, name: str, path: Path) -> None:
        """Copy the local file `path` to the store, completely or not at all."""

    def names(self) -> list[str]:
        """The names of all files, sorted."""

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens if there is none."""

    def state(self, name: str) -> str | None:
        """Size and entity tag, which change whenever the content changes; None if the store keeps no such tag.

        Raises MissingObject if there is no such file.
        """


def to_place(text: str) -> Place:
    """The place that a config names: `file:///folder` and plain paths are folders, everything else is a URL."""
    if text.startswith("file://"):
        return Path(unquote(text.removeprefix("file://")))
    return text.rstrip("/") if "://" in text else Path(text)


def below(place: Place, name: str) -> Place:
    """The place `name` below another one."""
    return place / name if isinstance(place, Path) else f"{place}/{name}"


def open_store(place: Place) -> Store:
    """The store at `place`, without connecting to it yet.

    Raises ConfigError if no installed package knows the URL's scheme.
    """
    return FolderStore(place) if isinstance(place, Path) else ObjectStore(place)


def read_file(file: Place) -> bytes:
    """All bytes of one small file; raises MissingObject, StorageError."""
    store, name = _opened_parent(file)
    return store.read(name)


def write_file(file: Place, content: bytes) -> None:
    """Write one file, completely or not at all; raises StorageError if that is not possible."""
    store, name = _opened_parent(file)
    store.write(name, content)


def _opened_parent(file: Place) -> tuple[Store, str]:
    parent, name = (file.parent, file.name) if isinstance(file, Path) else file.rsplit("/", 1)
    return open_store(parent), name


def download(store: Store, name: str, path: Path) -> None:
    """Copy a file of a store to a local file, completely or not at all.

    Args:
        store: Where the file is.
        name: Its name there.
        path: The local file to write.

    Raises:
        MissingObject: There is no such file.
        StorageError: It cannot be read or written.
    """
    with atomic_file(path) as file:
        for block in store.blocks(name):
            file.write(block)


class FolderStore:
    """A Store in a folder, of this machine or shared with others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """See Store."""
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """See Store."""
        path = self._folder / name
        with _reading(path), path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def write(self, name: str, content: bytes) -> None:
        """See Store."""
        write_bytes(self._folder / name, content)

    def upload(self, name: str, path: Path) -> None:
        """See Store."""
        download(FolderStore(path.parent), path.name, self._folder / name)

    def names(self) -> list[str]:
        """See Store; names that begin with a dot are left out, because they are of unfinished files."""
        with _reading(self._folder):
            files = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted(path.relative_to(self._folder).as_posix() for path in files)

    def delete(self, name: str) -> None:
        """See Store."""
        with storage_errors(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)

    def state(self, name: str) -> str | None:
        """See Store; always None, because a folder keeps no tags."""
        if not (self._folder / name).is_file():
            raise MissingObject(name)
        return None


class ObjectStore:
    """A Store in an object store that fsspec can use, below a prefix; calls with passing errors are repeated."""

    def __init__(self, url: str) -> None:
        """Prepare the use of `url`; raises ConfigError if its scheme is unknown or its package is not installed."""
        self._url = url
        self._files, self._root = _file_system(url)

    def read(self, name: str) -> bytes:
        """See Store."""
        content: bytes = self._try(name, lambda: self._files.cat_file(self._path(name)))
        return content

    def blocks(self, name: str) -> Iterator[bytes]:
        """See Store; raises MissingObject if the file becomes shorter while it is read."""
        size = int(self._info(name)["size"])
        for start in range(0, size, BLOCK):
            yield self._block(name, start, min(start + BLOCK, size))

    def write(self, name: str, content: bytes) -> None:
        """See Store."""
        limit = self._limit(len(content))
        self._try(name, lambda: self._files.pipe_file(self._path(name), content, **limit))

    def upload(self, name: str, path: Path) -> None:
        """See Store."""
        limit = self._limit(path.stat().st_size)
        self._try(name, lambda: self._files.put_file(str(path), self._path(name), **limit))

    def names(self) -> list[str]:
        """See Store."""
        try:
            found = self._try("", lambda: self._files.find(self._root))
        except MissingObject:
            return []
        return sorted(str(path)[len(self._root) + 1 :] for path in found)

    def delete(self, name: str) -> None:
        """See Store."""
        try:
            self._try(name, lambda: self._files.rm_file(self._path(name)))
        except MissingObject:
            return

    def state(self, name: str) -> str | None:
        """See Store."""
        info = self._info(name)
        tag = info.get("ETag") or info.get("etag")
        return f"{info['size']} {tag}" if tag else None

    def _limit(self, size: int) -> dict[str, float]:
        """The time limit of writing `size` bytes.

        The client's own limit begins once everything is sent. Without this one it would wait forever for a server that
        never answers "continue".
        """
        seconds = WRITE_SECONDS + size / SLOWEST_BYTES_PER_SECOND
        return {"timeout": seconds} if getattr(self._files, "async_impl", False) else {}

    def _block(self, name: str, start: int, end: int) -> bytes:
        block: bytes = self._try(name, lambda: self._files.cat_file(self._path(name), start=start, end=end))
        return block

    def _info(self, name: str) -> dict[str, Any]:
        info: dict[str, Any] = self._try(name, lambda: self._files.info(self._path(name)))
        return info

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _try(self, name: str, call: Callable[[], Result]) -> Result:
        """The result of a call on the store; it is repeated after a pause if its error may pass.

        Raises MissingObject if there is no such object, and StorageError for every other error.
        """
        place = f"{self._url}/{name}".rstrip("/")
        for tried, wait in enumerate((*WAITS, None), start=1):
            try:
                return call()
            except Exception as error:
                if isinstance(error, FileNotFoundError) and not bucket_is_missing(error):
                    raise MissingObject(place) from error
                if wait is None or not is_passing(error):
                    raise StorageError(sentence(place, error, tried)) from error
            time.sleep(wait * random.uniform(0.5, 1.0))  # random, so that many workers do not ask at the same moment
        raise AssertionError  # the last try returns or raises


def _file_system(url: str) -> tuple[Any, str]:
    """Fsspec's file system for `url`, and the path of the URL's prefix in it."""
    import fsspec  # noqa: TID251 - the door

    scheme = url.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(url, **(S3_OPTIONS if scheme in ("s3", "s3a") else {}))
    except ImportError as error:
        wanted = "pip install 'gan-aug[s3]'" if scheme in ("s3", "s3a") else f"install the fsspec package for {scheme}"
        raise ConfigError(f"compute.storage: {scheme}:// needs a package that is not installed: {wanted}") from error
    except ValueError as error:
        raise ConfigError(
            f"compute.storage: the scheme {scheme}:// is unknown: use s3://, file:// or a plain path"
        ) from error
    if hasattr(files, "retries"):
        files.retries = 1
    return files, str(root).rstrip("/")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn an OSError of reading `path` into MissingObject or a StorageError."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingObject(str(path)) from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}: check the disk and the path") from error
