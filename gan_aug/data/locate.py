"""Where the files of a named set are: the folder asked for, the data root, the user's cache, or a download."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from gan_aug.errors import DataError
from gan_aug.run.files import storage_errors
from gan_aug.run.places import DATA_ROOT, cache_folder

SUBFOLDERS = ("", "mnist", "medmnist", "MNIST/raw")
TIMEOUT = 20.0
"""Seconds without an answer after which a download is given up."""


@dataclass(frozen=True)
class SetFile:
    """One file of a set: the names it may have, and where it can be had with which MD5."""

    names: tuple[str, ...]
    urls: tuple[str, ...] = ()
    md5: str = ""


def data_folder(root: Path) -> Path:
    """The folder that `data.root` means: as it is, or below GAN_AUG_DATA; raises DataError where neither exists."""
    tried = [root]
    if not root.is_absolute() and os.environ.get(DATA_ROOT):
        tried.append(Path(os.environ[DATA_ROOT]) / root)
    for folder in tried:
        if folder.is_dir():
            return folder
    also = f", nor is {tried[1]} ({DATA_ROOT})" if len(tried) > 1 else ""
    raise DataError(f"data.root: {root} is not a folder{also}: name the folder that holds the files")


def search_folders(root: Path | None, own_caches: Sequence[Path] = ()) -> list[Path]:
    """The folders to look in, best first: those of `root` alone where it is given, else data root and caches."""
    if root is not None:
        bases = [data_folder(root)]
    else:
        bases = [Path(os.environ[DATA_ROOT])] if os.environ.get(DATA_ROOT) else []
        bases += [cache_folder(), *own_caches]
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
    """Fetch `files` into the user's cache, each checked against its MD5, and return their paths.

    They appear there only once all are whole. Raises DataError with the reason where one cannot be had.
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
    """The error for a set that is nowhere: what was looked for, where, and what to do."""
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
            with _patience(), contextlib.redirect_stdout(sys.stderr):
                download_url(url, folder, file.names[0], file.md5)
        except (RuntimeError, URLError, OSError) as error:
            cause = getattr(error, "reason", error)
            reason = " ".join(str(getattr(cause, "strerror", None) or cause).split()) or type(error).__name__
        else:
            return
    raise DataError(f"the download of {file.names[0]} failed ({reason.rstrip('.')})")


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Give up on a server that does not answer, which by default never happens."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
