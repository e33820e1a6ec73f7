"""Files that appear completely or not at all: they are written under a temporary name and then renamed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gan_aug.errors import Cancelled, RunConflict, StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of writing at `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        full, elsewhere = "free some space there and run again", "choose another place, or repair this one"
        reasons = {
            errno.ENOSPC: f"the disk is full: {full}",
            errno.EDQUOT: f"the disk quota is used up: {full}",
            errno.EROFS: f"it is on a read-only file system: {elsewhere}",
            errno.EACCES: f"permission is denied: {elsewhere}",
            errno.ENOTDIR: f"there is a file where a folder should be: {elsewhere}",
            errno.EEXIST: f"there is a file where a folder should be: {elsewhere}",
            errno.EISDIR: f"there is a folder where a file should be: {elsewhere}",
        }
        reason = reasons.get(error.errno or 0, f"{error.strerror or error}: check the disk and the path")
        raise StorageError(f"cannot write {error.filename or path}: {reason}") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at `path` only if the block ends without an exception.

    Raises StorageError if the disk is full or read-only, or permission is denied.
    """
    # Random, not the process id: workers in two containers may have the same id and write the same file.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears at `path` only if the block ends without an exception.

    Raises StorageError if there is something at `path` that is not an empty folder, or the disk refuses.
    """
    path = path.resolve()
    with storage_errors(path):
        _check_empty(path)
        temporary = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def resumable_folder(path: Path, request: str) -> Iterator[Path]:
    """A folder to fill, which appears at `path` when the block ends without an exception; an interrupted one is kept.

    It is kept beside `path` under a hidden name if the block is interrupted or the disk refuses, and given again to the
    next call with the same `request`. A fault of what is written removes it.

    Args:
        path: Where it appears.
        request: Says what is written, in one line. A kept folder of another request is emptied first.

    Yields:
        The folder. What is written there under names that begin with a dot is removed at the end.

    Raises:
        StorageError: There is something at `path` that is not an empty folder, another process writes there, or the
            disk refuses.
        Cancelled: The block was interrupted by Ctrl-C.
    """
    path = path.resolve()
    with storage_errors(path):
        _check_empty(path)
        partial = path.with_name(f".{path.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            _lock_or_refuse(descriptor, path)
            note = partial / ".request"
            if not note.exists() or note.read_text(encoding="utf-8") != request:
                _empty(partial)
                note.write_text(request, encoding="utf-8")
            yield partial
            for hidden in partial.glob(".*"):
                hidden.unlink()
            partial.rename(path)
        except KeyboardInterrupt as error:
            raise Cancelled(f"stopped: the same command goes on from what is in {partial}, or remove that") from error
        except Exception as error:
            if not isinstance(error, (Cancelled, StorageError, OSError)):
                shutil.rmtree(partial, ignore_errors=True)
            raise
        finally:
            os.close(descriptor)


def _check_empty(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageError(f"{path} exists and is not empty: choose another --out, or remove it")


def _lock_or_refuse(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"another process writes {path}: wait for it, or choose another --out") from error


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that it holds; raises StorageError if a part of it stays. An absent one is no fault."""
    for last in (False, True):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)  # all that can be removed, whatever came first
            if last and folder.exists():
                reason = error.strerror or error
                raise StorageError(
                    f"{folder} was not removed wholly ({reason}): make it writable and try again"
                ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, completely or not at all."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, completely or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write `value` to `path` as JSON, completely or not at all.

    Args:
        path: Where to.
        value: A JSON value.
        indent: Spaces of indentation; None writes everything on one line.

    Raises:
        ValueError: `value` holds NaN or infinity.
        StorageError: `path` cannot be written.
    """
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(value: Any) -> str:
    """The SHA-256 of a JSON value in its canonical form (sorted keys, no spaces, UTF-8), as hexadecimal digits."""
    return hashlib.sha256(json_text(value).encode()).hexdigest()


def json_text(value: Any) -> str:
    """A JSON value in its canonical form: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def read_json(path: Path) -> Any:
    """The JSON value in `path`; raises RunConflict if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunConflict(f"{path} is not valid JSON: remove its folder and run again") from error
