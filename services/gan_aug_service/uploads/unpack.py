"""Uploaded zips: received and unpacked within limits, completely or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import anyio

from gan_aug.errors import DataError
from gan_aug.run.files import storage_errors
from gan_aug_service.http.problems import Problem
from gan_aug_service.settings import Limits
from gan_aug_service.uploads.quota import CHECK_BYTES, check_free_space
from gan_aug_service.uploads.zip_directory import count_entries

CHUNK = 1 << 20
NAME_LENGTH, DEPTH = 200, 16
"""Bytes that a part of a file's path may have, and parts that a path may have."""


class Unpacked(NamedTuple):
    """What an upload held: how many files, and all their bytes."""

    files: int
    size: int


async def receive(parts: AsyncIterator[bytes], path: Path, limits: Limits) -> str:
    """Write a body to a file as it comes.

    Args:
        parts: The body.
        path: The file.
        limits: The service's limits.

    Returns:
        The body's SHA-256.

    Raises:
        Problem: The disk becomes too full.
    """
    digest, unchecked = hashlib.sha256(), 0
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        async with await anyio.open_file(path, "wb") as file:
            async for part in parts:
                digest.update(part)
                await file.write(part)
                unchecked += len(part)
                if unchecked >= CHECK_BYTES:
                    check_free_space(path.parent, limits)
                    unchecked = 0
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, limits: Limits) -> Unpacked:
    """Unpack a zip into a folder, which appears only when it is complete.

    The zip's directory is counted first, since zipfile reads all of it into memory. The sizes in it are not believed:
    bytes are counted as they are unpacked.

    Args:
        archive: The zip.
        folder: The folder.
        limits: The service's limits.

    Returns:
        How many files there are, and their bytes.

    Raises:
        DataError: It is no zip, or an entry is no plain file below the folder.
        Problem: It holds more than the limits allow.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        if count_entries(archive, limits.files) > limits.files:
            raise _too_much(f"more than {limits.files:,} files and folders, or names too long for so many")
        with storage_errors(folder), zipfile.ZipFile(archive) as opened:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            unpacked = _unpack(opened, temporary, limits)
            temporary.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"the upload is not a whole, plain zip ({_reason(error)}): make it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return unpacked


def _unpack(opened: zipfile.ZipFile, folder: Path, limits: Limits) -> Unpacked:
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if not entries:
        raise DataError("the upload holds no files: put one folder per class into the zip")
    size, checked, files, folders = 0, 0, set[str](), set[str]()
    for entry in entries:
        name = _checked(entry)
        folded = PurePosixPath(name.casefold())
        parents = {str(parent) for parent in folded.parents}
        if str(folded) in files or str(folded) in folders or parents & files:
            raise DataError(f"the upload names {name[:80]!r} twice, perhaps as a folder: name each file once")
        files.add(str(folded))
        folders |= parents
        size += _write(opened, entry, folder / name, limits.unpacked - size, limits)
        if size - checked >= CHECK_BYTES:
            check_free_space(folder, limits)
            checked = size
    return Unpacked(len(entries), size)


def _checked(entry: zipfile.ZipInfo) -> str:
    """The entry's name; raises DataError unless it names a plain file below the folder."""
    name, path = entry.filename, PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    wrong = (
        not path.parts or name.startswith("/") or ".." in path.parts or len(path.parts) > DEPTH,
        any(letter in name for letter in '\\:*?"<>|') or not name.isprintable(),
        any(len(part.encode()) > NAME_LENGTH for part in path.parts),
        # zipfile cuts a name at its first NUL: another program would read another name.
        entry.orig_filename != name,
    )
    if any(wrong):
        raise DataError(f"the upload names a file {name[:80]!r}: name files below the zip's own folder, plainly")
    if kind not in (0, stat.S_IFREG):
        raise DataError(f"the upload's {name[:80]!r} is no plain file: leave out links and devices")
    if entry.flag_bits & 1:
        raise DataError("the upload is encrypted: send it without a password")
    return name


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int, limits: Limits) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(entry) as source, path.open("xb") as target:
        while part := source.read(CHUNK):
            written += len(part)
            if written > left:
                raise _too_much(f"more than {limits.unpacked:,} bytes")
            target.write(part)
    os.chmod(path, 0o600)  # noqa: PTH101 - the permissions in the zip do not count
    return written


def _too_much(what: str) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the upload unpacks to {what}: upload it in parts")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
