"""Find the files of a named data set: in `data.root`, the data root, the user's cache, or by a download."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from gan_aug.errors import DataError
from gan_aug.run.files import storage_errors
from gan_aug.run.places import DATA_ROOT, cache_folder, user_cache_folder

SUBFOLDERS = ("", "mnist", "medmnist", "MNIST/raw")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
TIMEOUT = 20.0
"""Seconds without an answer after which a download fails."""


@dataclass(frozen=True)
class SetFile:
    """One file of a data set: the names it may have, and the addresses and MD5 sum to download it by."""

    names: tuple[str, ...]
    urls: tuple[str, ...] = ()
    md5: str = ""


def data_folder(root: Path) -> Path:
    """The folder that `data.root` names, as given or below GAN_AUG_DATA; raises DataError if neither exists."""
    tried = [root]
    if not root.is_absolute() and os.environ.get(DATA_ROOT):
        tried.append(Path(os.environ[DATA_ROOT]) / root)
    for folder in tried:
        if folder.is_dir():
            return folder
    if archive := next((path for path in tried if path.is_file() and _is_archive(path)), None):
        raise DataError(f"data.root: {archive} is an archive, which is not opened: unpack it, and name the folder")
    also = f", nor is {tried[1]} ({DATA_ROOT})" if len(tried) > 1 else ""
    raise DataError(f"data.root: {root} is not a folder{also}: name the folder that holds the files")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name was put there by a system or a file manager, and not by the user."""
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES) or zipfile.is_zipfile(path)


def search_folders(root: Path | None, own_caches: Sequence[Path] = ()) -> list[Path]:
    """The folders to search, best first: those below `root` if it is given, else below the data root and the caches."""
    if root is not None:
        bases = [data_folder(root)]
    else:
        bases = [Path(os.environ[DATA_ROOT])] if os.environ.get(DATA_ROOT) else []
        bases += [*dict.fromkeys((cache_folder(), user_cache_folder())), *own_caches]
    return [base / sub for base in bases for sub in SUBFOLDERS]


def find(files: Sequence[SetFile], folders: Sequence[Path]) -> list[Path] | None:
    """The paths of all `files` in the first folder that has them all, or None."""
    for folder in folders:
        paths = [next((folder / name for name in file.names if (folder / name).is_file()), None) for file in files]
        found = [path for path in paths if path]
        if len(found) == len(files):
            return found
    return None


def download(files: Sequence[SetFile]) -> list[Path]:
    """Download `files` into the user's cache, check each against its MD5 sum, and return their paths.

    They appear there only after all of them are complete. Raises DataError with the reason if one cannot be downloaded.
    """
    folder = cache_folder()
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".download-", dir=folder))
    try:
        for file in files:
            _fetch(file, temporary)
        with storage_errors(folder):
            return [(temporary / file.names[0]).replace(folder / file.names[0]) for file in files]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def absent(what: str, files: Sequence[SetFile], root: Path | None, reason: str) -> DataError:
    """The error for a data set that was not found: what was searched for, where, and what to do.

    Args:
        what: The data set, as the sentence names it.
        files: The files that were searched for.
        root: `data.root`, if it is given.
        reason: Why the download did not help.

    Returns:
        The error, to be raised by the caller.
    """
    names = ", ".join(file.names[0] for file in files)
    if root is not None:
        return DataError(
            f"data.root: {data_folder(root)} does not hold {what} ({names}): name the folder that does, or leave "
            "data.root out to have it looked for in the cache and downloaded"
        )
    tried = os.environ.get(DATA_ROOT)
    place = f"{DATA_ROOT} ({tried})" if tried else f"{DATA_ROOT} (not set)"
    return DataError(
        f"{what} is neither in {place} nor in {cache_folder()}, and {reason}: put {names} into a folder and name that "
        "as data.root"
    )


def _fetch(file: SetFile, folder: Path) -> None:
    from torchvision.datasets.utils import download_url

    reason = "it has no known address"
    for url in file.urls:
        try:
            with _socket_timeout(), contextlib.redirect_stdout(sys.stderr):
                download_url(url, folder, file.names[0], file.md5)
        except (RuntimeError, URLError, OSError) as error:
            cause = getattr(error, "reason", error)
            reason = " ".join(str(getattr(cause, "strerror", None) or cause).split()) or type(error).__name__
        else:
            return
    raise DataError(f"the download of {file.names[0]} failed ({reason.rstrip('.')})")


@contextlib.contextmanager
def _socket_timeout() -> Iterator[None]:
    """Fail if a server does not answer in time; by default, Python waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
