"""Files kept in a store together: whole once their commit marker is there, and fetched once per host.

The marker, `commit.json`, is written last and holds each file's SHA-256, which every reader checks; so half of an
interrupted upload, an object cut short or one altered is never believed. Two writers of the same files end well: what
they write is the same, or the sums tell.
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
"""What nobody has asked for this long is removed from the host's cache when something new comes in."""


def is_intact(store: Store, name: str, sha256: str, state: str | None) -> bool:
    """Whether a file of `store` holds what `sha256` says: by the store's own tag, else by reading it."""
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
    """Copy local files to `place` under the names given, in that order, and then their marker.

    The last of them says what the others hold, as a manifest does: where it is committed there already and nothing was
    altered since, nothing is done.
    """
    store = open_store(place)
    before, record = _marker(store), list(files)[-1]
    same = record in before and before[record][0] == file_sha256(files[record])
    if same and before.keys() == files.keys() and all(_stands(store, name, before[name][1]) for name in before):
        return
    store.delete(layout.COMMIT)
    marker = {}
    for name, path in files.items():
        store.upload(name, path)
        marker[name] = {"sha256": file_sha256(path), "state": store.state(name)}
    store.write(layout.COMMIT, json.dumps({"schema": SCHEMA, "files": marker}, indent=2).encode())


def delete_files(place: Place) -> None:
    """Remove everything below `place`, the marker first: what is left half-way counts as nothing."""
    store = open_store(place)
    store.delete(layout.COMMIT)
    for name in store.names():
        store.delete(name)


def sums_of(place: Place) -> dict[str, str]:
    """The SHA-256 of each file committed at `place`, by name; empty where nothing whole is."""
    return {name: sha256 for name, (sha256, _) in _marker(open_store(place)).items()}


def copy_files(place: Place, folder: Path) -> bool:
    """Fetch what is committed at `place` into `folder`, in the order it was put there; nothing is fetched twice.

    False where it is absent, cut short or altered: then the last file, which says that the others are whole, is not
    there.
    """
    sums = sums_of(place)
    return bool(sums) and all(
        _is(folder / name, sha256) or _fetch(place, name, sha256, folder / name) for name, sha256 in sums.items()
    )


def at_hand(folder: Path, place: Place | None, record: str) -> Path:
    """A folder of this host that holds what `folder` holds where the run was started: itself, or a copy from `place`.

    `record` names the file that identifies the content. Raises StorageError where `place` holds nothing whole.
    """
    if place is None:
        return folder
    sums = sums_of(place)
    if record in sums and _is(folder / record, sums[record]):
        return folder
    if isinstance(place, Path):
        there, paths = place, [local_file(place, name, sha256) for name, sha256 in sums.items()]
    else:
        key = json_sha256(sums)
        there, paths = cache() / key, [_cached(place, name, sha256, key) for name, sha256 in sums.items()]
    if not paths or None in paths:
        raise StorageError(
            f"{place} holds nothing whole: remove it, and resume the run where its folder is to write it there again"
        )
    return there


def local_file(place: Place, name: str, sha256: str) -> Path | None:
    """A file of this host with the content of `name` at `place`; None where that is absent or not what `sha256` says.

    A folder's own file, or a copy in the user's cache that all processes of this host share.
    """
    if isinstance(place, Path):
        path = place / name
        return path if _is(path, sha256) else None
    return _cached(place, name, sha256, sha256)


def cache() -> Path:
    """The folder of fetched files: `gan-aug/store` in the user's cache."""
    return cache_folder() / "store"


def _marker(store: Store) -> dict[str, tuple[str, str | None]]:
    """SHA-256 and state of each committed file; empty where there is no marker, or not one of ours."""
    try:
        record = json.loads(store.read(layout.COMMIT))
        if record["schema"] != SCHEMA:
            return {}
        return {str(name): (str(entry["sha256"]), entry["state"]) for name, entry in record["files"].items()}
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stands(store: Store, name: str, state: str | None) -> bool:
    """Whether a committed file is there with the tag it had; where the store keeps none, whether it is there."""
    try:
        return store.state(name) == state
    except MissingObject:
        return False


def _cached(place: Place, name: str, sha256: str, key: str) -> Path | None:
    """The cache's copy, fetched by one process while the others wait."""
    path = cache() / key / name
    with _alone(path.parent):
        os.utime(path.parent)
        if _is(path, sha256):
            return path
        _forget_old()
        return path if _fetch(place, name, sha256, path) else None


def _fetch(place: Place, name: str, sha256: str, path: Path) -> bool:
    """Copy a file from `place` to `path`; whether it was there and is what `sha256` says."""
    try:
        download(open_store(place), name, path)
    except MissingObject:
        return False
    if _is(path, sha256):
        return True
    path.unlink()
    return False


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder of the cache for this process; made where it is absent, for the owner alone."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache().chmod(0o700)  # it holds patients' images
        file = (folder / ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old() -> None:
    for folder in cache().iterdir():
        if folder.stat().st_mtime < time.time() - KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
