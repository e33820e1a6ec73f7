"""Groups of files in a store: complete once their commit marker is there, and downloaded once per host.

The marker, `commit.json`, is written last and holds each file's SHA-256, which every reader checks. So half of an
interrupted upload, a truncated object or an altered one is never used. Two writers of the same files do no harm: either
they write the same bytes, or the hashes differ and readers notice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gan_aug.errors import StorageError
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, json_sha256, storage_errors
from gan_aug.run.places import cache_folder
from gan_aug.run.stores import MissingObject, Place, Store, download, open_store

SCHEMA = 1

KEEP_SECONDS = 7 * 24 * 3600.0
"""Files of the host's cache that were not used for this long are removed when a new one is downloaded."""


def is_intact(store: Store, name: str, sha256: str, state: str | None) -> bool:
    """Whether a file in a store has the expected content.

    Args:
        store: Where the file is.
        name: The file's name.
        sha256: The SHA-256 of the expected content.
        state: The store's state of the file when it had that content (see Store.state). If it is unchanged, the file is
            not read.

    Returns:
        False if the content differs or the file is absent.
    """
    try:
        if state is not None and store.state(name) == state:
            return True
        digest = hashlib.sha256()
        for block in store.blocks(name):
            digest.update(block)
    except MissingObject:
        return False
    return digest.hexdigest() == sha256


def put_files(place: Place, files: Mapping[str, Path]) -> None:
    """Copy local files to `place` under the given names, in the given order, and then write their marker.

    The last file must describe the others, as a manifest does. If it is committed there already and no file was altered
    since, nothing is copied.
    """
    store = open_store(place)
    before, record = _marker(store), list(files)[-1]
    same = record in before and before[record][0] == file_sha256(files[record])
    if same and before.keys() == files.keys() and all(_is_unchanged(store, name, before[name][1]) for name in before):
        return
    store.delete(layout.COMMIT)
    marker = {}
    for name, path in files.items():
        store.upload(name, path)
        marker[name] = {"sha256": file_sha256(path), "state": store.state(name)}
    store.write(layout.COMMIT, json.dumps({"schema": SCHEMA, "files": marker}, indent=2).encode())


def delete_files(place: Place) -> None:
    """Remove everything below `place`, the marker first: without it, files that remain are ignored."""
    store = open_store(place)
    store.delete(layout.COMMIT)
    for name in store.names():
        store.delete(name)


def sums_of(place: Place) -> dict[str, str]:
    """The SHA-256 of each file committed at `place`, by name; empty if there is no complete commit."""
    return {name: sha256 for name, (sha256, _) in _marker(open_store(place)).items()}


def copy_files(place: Place, folder: Path) -> bool:
    """Download the files committed at `place` into `folder`, in their order; files that are there are kept.

    Returns False if a file is absent, truncated or altered. Then the last file, which describes the others, is not
    downloaded.
    """
    sums = sums_of(place)
    return bool(sums) and all(
        _has_content(folder / name, sha256) or _fetch(place, name, sha256, folder / name)
        for name, sha256 in sums.items()
    )


def local_copy(folder: Path, place: Place | None, record: str) -> Path:
    """A folder on this host with the files of a folder of the run: the folder itself, or a copy from a store.

    Args:
        folder: The folder in the run folder, which may be on another host.
        place: Where its files are stored too; None if this host sees `folder`.
        record: The file that identifies the content, for example a manifest.

    Returns:
        `folder` if it holds the same `record` as `place`; else `place` if that is a folder; else a folder of the cache.

    Raises:
        StorageError: `place` holds no complete commit.
    """
    if place is None:
        return folder
    sums = sums_of(place)
    if record in sums and _has_content(folder / record, sums[record]):
        return folder
    if isinstance(place, Path):
        there, paths = place, [local_file(place, name, sha256) for name, sha256 in sums.items()]
    else:
        key = json_sha256(sums)
        there, paths = cache() / key, [_cached(place, name, sha256, key) for name, sha256 in sums.items()]
    if not paths or None in paths:
        raise StorageError(
            f"{place} holds no complete set of files: remove it, and resume the run on the host of its run folder, "
            "which uploads them again"
        )
    return there


def local_file(place: Place, name: str, sha256: str) -> Path | None:
    """A local file with the content of a file at `place`.

    Args:
        place: A folder or an object store.
        name: The file's name there.
        sha256: The SHA-256 of the expected content.

    Returns:
        The folder's own file, or a copy in the user's cache, which all processes of this host share. None if the file
        is absent or has another content.
    """
    if isinstance(place, Path):
        path = place / name
        return path if _has_content(path, sha256) else None
    return _cached(place, name, sha256, sha256)


def cache() -> Path:
    """The folder of downloaded files: `gan-aug/store` in the user's cache."""
    return cache_folder() / "store"


def _marker(store: Store) -> dict[str, tuple[str, str | None]]:
    """SHA-256 and state of each committed file; empty if there is no valid marker."""
    try:
        record = json.loads(store.read(layout.COMMIT))
        if record["schema"] != SCHEMA:
            return {}
        return {str(name): (str(entry["sha256"]), entry["state"]) for name, entry in record["files"].items()}
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_unchanged(store: Store, name: str, state: str | None) -> bool:
    """Whether a committed file still has the same state; in a store without states, whether it is there."""
    try:
        return store.state(name) == state
    except MissingObject:
        return False


def _cached(place: Place, name: str, sha256: str, key: str) -> Path | None:
    """The copy in the cache; one process downloads it while the others wait."""
    path = cache() / key / name
    with _locked(path.parent):
        os.utime(path.parent)
        if _has_content(path, sha256):
            return path
        _remove_old()
        return path if _fetch(place, name, sha256, path) else None


def _fetch(place: Place, name: str, sha256: str, path: Path) -> bool:
    """Copy a file from `place` to `path`; returns whether it was there with the expected content."""
    try:
        download(open_store(place), name, path)
    except MissingObject:
        return False
    if _has_content(path, sha256):
        return True
    path.unlink()
    return False


def _has_content(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder of the cache for this process; it is created if it is absent, with access for its owner only."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache().chmod(0o700)  # it holds patients' images
        file = (folder / ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_old() -> None:
    for folder in cache().iterdir():
        if folder.stat().st_mtime < time.time() - KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
