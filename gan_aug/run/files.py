"""Files that a later start would believe: written whole or not at all, to a temporary name, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gan_aug.errors import RunConflict, StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write at `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        full, elsewhere = "free some room there and run again", "choose another place, or mend this one"
        reasons = {
            errno.ENOSPC: f"the disk is full: {full}",
            errno.EDQUOT: f"the disk quota is used up: {full}",
            errno.EROFS: f"it is on a read-only file system: {elsewhere}",
            errno.EACCES: f"permission is denied: {elsewhere}",
            errno.ENOTDIR: f"a file stands where a folder should be: {elsewhere}",
            errno.EEXIST: f"a file stands where a folder should be: {elsewhere}",
            errno.EISDIR: f"a folder stands where a file should be: {elsewhere}",
        }
        reason = reasons.get(error.errno or 0, f"{error.strerror or error}: check the disk and the path")
        raise StorageError(f"cannot write {error.filename or path}: {reason}") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at `path` only when the block ends without an exception.

    Raises StorageError where the disk is full, read-only or closed to us.
    """
    # Not the process's number: workers in two containers may have the same one and write the same file.
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


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write `value` to `path` as JSON, whole or not at all; NaN and infinity are refused with a ValueError."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(value: Any) -> str:
    """The SHA-256 of a JSON value in one canonical spelling (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path) -> Any:
    """The JSON value in `path`; raises RunConflict when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunConflict(f"{path} is not valid JSON: remove the folder it stands in and run again") from error
