"""Where large files are kept: a folder, or a prefix in an object store; the only door to fsspec.

A folder's files appear whole or not at all, as does an object; nothing is ever renamed in a store. What several objects
make together is whole once a last one, its commit marker, says so: see `gan_aug.run.artefacts`.

Credentials come from the environment or the store's own files (`~/.aws`), never from here: nothing of them is kept,
recorded or said.
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
"""Bytes asked for at a time: one request, tried again on its own."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each further try of what may pass: a store that restarts is waited for about half a minute."""

PATIENCE, SLOWEST = 60.0, 100_000
"""Seconds that writing an object may take, and bytes a second that it may take more for."""

S3_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,  # others write there too
    # The trying again is ours: three layers of it would multiply.
    "config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"total_max_attempts": 1}},
}

Result = TypeVar("Result")


class MissingObject(LookupError):
    """There is no object (or file) of that name."""


class Store(Protocol):
    """Files by name (`folder/file`, with slashes) below one place."""

    def read(self, name: str) -> bytes:
        """All bytes of a small file; raises MissingObject where there is none."""

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks; raises MissingObject where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    def upload(self, name: str, path: Path) -> None:
        """Copy the local file `path` there, whole or not at all."""

    def names(self) -> list[str]:
        """The names of all files, sorted."""

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""

    def state(self, name: str) -> str | None:
        """Size and entity tag, which change whenever the content does; None where the store keeps no such tag.

        Raises MissingObject where there is no such file.
        """


def to_place(text: str) -> Place:
    """The place that a config names: `file:///folder` and plain paths are folders, all else is a URL."""
    if text.startswith("file://"):
        return Path(unquote(text.removeprefix("file://")))
    return text.rstrip("/") if "://" in text else Path(text)


def below(place: Place, name: str) -> Place:
    """The place `name` below another one."""
    return place / name if isinstance(place, Path) else f"{place}/{name}"


def open_store(place: Place) -> Store:
    """The store at `place`; nothing is asked of it yet.

    Raises ConfigError where nothing is installed that knows the URL's scheme.
    """
    return FolderStore(place) if isinstance(place, Path) else ObjectStore(place)


def read_file(file: Place) -> bytes:
    """All bytes of one small file; raises MissingObject, StorageError."""
    store, name = _opened_parent(file)
    return store.read(name)


def write_file(file: Place, content: bytes) -> None:
    """Write one file, whole or not at all; raises StorageError where that is not possible."""
    store, name = _opened_parent(file)
    store.write(name, content)


def _opened_parent(file: Place) -> tuple[Store, str]:
    parent, name = (file.parent, file.name) if isinstance(file, Path) else file.rsplit("/", 1)
    return open_store(parent), name


def download(store: Store, name: str, path: Path) -> None:
    """Copy a file of `store` to the local file `path`, whole or not at all; raises MissingObject, StorageError."""
    with atomic_file(path) as file:
        for block in store.blocks(name):
            file.write(block)


class FolderStore:
    """A folder, of this machine or shared with others."""

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
        """See Store; names that begin with a dot are of files in the making."""
        with _reading(self._folder):
            files = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return sorted(path.relative_to(self._folder).as_posix() for path in files)

    def delete(self, name: str) -> None:
        """See Store."""
        with storage_errors(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)

    def state(self, name: str) -> str | None:
        """See Store: a folder keeps no tag."""
        if not (self._folder / name).is_file():
            raise MissingObject(name)
        return None


class ObjectStore:
    """A prefix in an object store, by whatever fsspec knows of its scheme; passing faults are tried again."""

    def __init__(self, url: str) -> None:
        """Make ready to use `url`; raises ConfigError where its scheme is unknown or its package not installed."""
        self._url = url
        self._files, self._root = _file_system(url)

    def read(self, name: str) -> bytes:
        """See Store."""
        content: bytes = self._try(name, lambda: self._files.cat_file(self._path(name)))
        return content

    def blocks(self, name: str) -> Iterator[bytes]:
        """See Store; a file that shrinks meanwhile is a MissingObject."""
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
        """How long writing `size` bytes may take.

        A client's own time limit begins once everything is sent: a server that never says "continue" is waited for
        without end.
        """
        return {"timeout": PATIENCE + size / SLOWEST} if getattr(self._files, "async_impl", False) else {}

    def _block(self, name: str, start: int, end: int) -> bytes:
        block: bytes = self._try(name, lambda: self._files.cat_file(self._path(name), start=start, end=end))
        return block

    def _info(self, name: str) -> dict[str, Any]:
        info: dict[str, Any] = self._try(name, lambda: self._files.info(self._path(name)))
        return info

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _try(self, name: str, call: Callable[[], Result]) -> Result:
        """The result of a call on the store, tried again after a while where its fault may pass.

        Raises MissingObject where there is no such object, and StorageError for every other fault.
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
            time.sleep(wait * random.uniform(0.5, 1.0))  # apart, where many workers wait for the same store
        raise AssertionError  # the last turn returns or raises


def _file_system(url: str) -> tuple[Any, str]:
    """What fsspec knows `url` by, and the path of its prefix there."""
    import fsspec  # noqa: TID251 - the door

    scheme = url.partition("://")[0]
    try:
        files, root = fsspec.core.url_to_fs(url, **(S3_OPTIONS if scheme in ("s3", "s3a") else {}))
    except ImportError as error:
        wanted = "pip install 'gan-aug[s3]'" if scheme in ("s3", "s3a") else f"install the fsspec package for {scheme}"
        raise ConfigError(f"compute.storage: {scheme}:// needs a package that is not installed: {wanted}") from error
    except ValueError as error:
        raise ConfigError(
            f"compute.storage: nothing knows the scheme {scheme}://: use s3://, file:// or a plain path"
        ) from error
    if hasattr(files, "retries"):
        files.retries = 1
    return files, str(root).rstrip("/")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to read `path` into MissingObject or a StorageError."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingObject(str(path)) from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}: check the disk and the path") from error
